"""Programs that try to leave the sandbox, or to harm the host from inside it.

Each prints ESCAPED when it got what it wanted. `$port`, `$udp`, `$abstract`, `$folder`, `$home`, `$victim` and
`$parent` represent things on the host that it may attack, `$scratch` the folder that it may write to. Other
absolute paths are parts of any Linux, attacked from inside the sandbox.
"""

from __future__ import annotations

ESCAPES = {
    "fork bomb": "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
    "thread bomb": """
import threading, time
count = 0
try:
    while count < 1000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError:
    pass
print("ESCAPED" if count > 64 else "held", flush=True)
""",
    "endless output": "while True:\n    print('x' * 10000)",
    "endless output to stderr": "import sys\nwhile True:\n    sys.stderr.write('x' * 10000)",
    "10 GB allocation": "x = bytearray(10 << 30)\nprint('ESCAPED')",
    "10 GB in small pieces": "x = []\nwhile len(x) < 10240:\n    x.append(bytearray(1 << 20))\nprint('ESCAPED')",
    "10 GB mapped anonymously": "import mmap\nmmap.mmap(-1, 10 << 30)\nprint('ESCAPED')",
    "memory in System V segments": """
import ctypes
libc = ctypes.CDLL(None)
print("ESCAPED" if libc.shmget(0, 1 << 28, 0o1666) >= 0 else "held")
""",
    "memory in files without a name": "import os\nos.memfd_create('x')\nprint('ESCAPED')",
    "disk full": """
written = 0
for number in range(100):
    with open(f"$scratch/{number}", "wb") as file:
        for _ in range(100):
            written += file.write(bytes(1 << 20))
            file.flush()
            if written > 64 << 20:
                print("ESCAPED")
                raise SystemExit
""",
    "busy for ever": "while True:\n    pass",
    "asleep for ever": "import time\ntime.sleep(1e6)",
    "stopped, signals ignored": """
import os, signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
os.kill(os.getpid(), signal.SIGSTOP)
""",
    "deletes files outside": """
import os, shutil
for folder in ($folder, "/usr", $home, "/home", "/"):
    shutil.rmtree(folder, ignore_errors=True)
print("held" if os.path.exists("/usr/bin") else "ESCAPED")
""",
    "writes files outside": """
import os
for path in ($folder + "/new", "/new", "/usr/new", "/etc/passwd", $home + "/new", "/dev/new", "/proc/new"):
    try:
        open(path, "w").close()
        print("ESCAPED", path)
    except OSError:
        pass
""",
    "symbolic link out": """
import os
os.symlink($folder, "$scratch/link")
for path in ("$scratch/link/precious", "/proc/1/root" + $folder + "/precious", "/proc/1/cwd/precious"):
    try:
        open(path, "a").write("spoilt")
        print("ESCAPED")
    except OSError:
        pass
""",
    "hard link and device nodes": """
import os, stat
for action in (
    lambda: os.link("/usr/bin/env", "$scratch/env"),
    lambda: os.mknod("$scratch/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0)),
    lambda: os.mknod("$scratch/mem", 0o600 | stat.S_IFCHR, os.makedev(1, 1)),
):
    try:
        action()
        print("ESCAPED")
    except OSError:
        pass
""",
    "TCP": "import socket\nsocket.create_connection(('127.0.0.1', $port), 2).send(b'x')\nprint('ESCAPED')",
    "UDP": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", $udp))
print("ESCAPED")
""",
    "abstract unix socket": """
import socket
client = socket.socket(socket.AF_UNIX)
client.connect("\\0" + $abstract)
print("ESCAPED")
""",
    "network by system call": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print("ESCAPED" if libc.syscall(ctypes.c_long(41), 2, 1, 0) >= 0 else "held")
""",
    "netlink and raw sockets": """
import socket
for family, kind in ((16, socket.SOCK_RAW), (17, socket.SOCK_RAW), (2, socket.SOCK_RAW)):
    try:
        socket.socket(family, kind)
        print("ESCAPED")
    except OSError:
        pass
""",
    "signals to the parent and to everyone": """
import os, signal
for pid in (os.getppid(), $parent, $victim, 1):
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
        try:
            os.kill(pid, number)
        except OSError:
            pass
os.kill(-1, signal.SIGKILL)
""",
    "traces its parent": """
import ctypes, os
libc = ctypes.CDLL(None)
for pid in (1, os.getppid(), $parent, $victim):
    if libc.ptrace(ctypes.c_long(16), ctypes.c_long(pid), None, None) == 0:
        print("ESCAPED")
    try:
        open(f"/proc/{pid}/mem", "r+b")
        print("ESCAPED")
    except OSError:
        pass
""",
    "__import__ games": """
loader = ().__class__.__base__.__subclasses__
system = __import__("ctypes").CDLL(None).system
system(b"touch " + $folder.encode() + b"/new; rm -rf " + $folder.encode())
getattr(__import__("o" + "s"), "sys" + "tem")("echo spoilt > " + $folder + "/precious")
""",
    "ctypes: root again, new namespaces, mounts": """
import ctypes, os
libc = ctypes.CDLL(None)
for name, arguments in (
    ("setuid", (0,)), ("setresuid", (0, 0, 0)), ("setgid", (0,)), ("unshare", (0x10000000,)), ("unshare", (0x20000,)),
    ("chroot", (b"/proc/1/root",)), ("mount", (b"none", b"$scratch", b"tmpfs", 0, None)), ("umount", (b"/proc",)),
    ("setns", (0, 0)), ("prctl", (8, 1, 0, 0, 0)),
):
    if name != "prctl" and getattr(libc, name)(*arguments) == 0:
        print("ESCAPED", name)
if 0 in (os.getuid(), os.geteuid()):
    print("ESCAPED uid")
""",
    "clone into a user namespace": """
import ctypes, os
libc = ctypes.CDLL(None)
pid = libc.syscall(ctypes.c_long(56), ctypes.c_ulong(0x10000000 | 17), 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
print("ESCAPED" if pid > 0 else "held")
""",
    "set-user-id programs": """
import os, subprocess
for command in ("su -c id", "passwd -d root", "mount -t tmpfs x $scratch"):
    try:
        done = subprocess.run(command.split(), capture_output=True, timeout=2, stdin=subprocess.DEVNULL)
        print("ESCAPED" if done.returncode == 0 else "held")
    except (OSError, subprocess.SubprocessError):
        pass
""",
    "reads secrets": """
import glob, os
text = repr(os.environ)
for path in ["/etc/shadow", "/etc/passwd", $folder + "/precious", *glob.glob("/proc/[0-9]*/*")]:
    try:
        text += open(path, errors="replace").read()
    except OSError:
        pass
print(text)  # the test looks for secrets in what comes out
""",
    "inherited file descriptors": """
import os
opened = [int(name) for name in os.listdir("/proc/self/fd")]
for descriptor in opened:
    if descriptor > 2:
        try:
            os.fstat(descriptor)
            if "/proc/" not in os.readlink(f"/proc/self/fd/{descriptor}"):
                print("ESCAPED")
        except OSError:
            pass
""",
    "daemon that outlives": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in range(64):
            try:
                os.close(descriptor)
            except OSError:
                pass
        time.sleep(600)
    os._exit(0)
""",
    "orphans without number": """
import os, time
for _ in range(200):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    time.sleep(0.005)
""",
    "writes to /proc": """
for path in (
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
    "/proc/1/oom_score_adj", "/proc/1/mem", "/proc/sys/kernel/shmmax", "/proc/sys/net/ipv4/ip_forward",
):
    try:
        with open(path, "r+b", buffering=0) as file:
            file.write(b"1")
        print("ESCAPED", path)
    except OSError:
        pass
""",
    "devices": """
import os
for path in ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/shm", "/dev/tty", "/dev/fuse", "/dev/kvm", "/dev/ptmx"):
    if os.path.exists(path):
        print("ESCAPED", path)
""",
    "raises its own limits": """
import resource
for name in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(name, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print("ESCAPED")
    except (ValueError, OSError):
        pass
""",
    "closes its outputs": "import os, time\nos.closerange(0, 64)\ntime.sleep(600)",
    "crashes the interpreter": "import ctypes\nctypes.string_at(0)",
}
