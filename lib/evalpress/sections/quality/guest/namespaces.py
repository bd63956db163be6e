"""Builds the sandbox without bubblewrap: new namespaces, a root of read-only binds, then the supervisor as pid 1.

It is passed as source (`python -I -S -c`), runs outside the sandbox at first, and does what bubblewrap
does with the same arguments: as root directly, as anyone else inside a user namespace.
"""
# pathlib would double the start-up time of every run
# ruff: noqa: PTH102, PTH103, PTH106, PTH112, PTH120, PTH123, PTH211

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import TypedDict

_NEW_NS, _NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_PID, _NEW_NET = (
    0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
_PR_SET_PDEATHSIG = 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_OLD = "/old"


class Root(TypedDict):
    """argv[1]: what the guest's root holds, and the command that runs in it."""

    read_only: list[str]
    symlinks: list[tuple[str, str]]
    devices: list[str]
    scratch: str
    scratch_bytes: int
    supervisor: list[str]


_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _check(_libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]), f"mount {target}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def unshare() -> None:
    """Leave every namespace; without root, through a user namespace in which this user is 65534."""
    uid, gid = os.getuid(), os.getgid()
    flags = _NEW_NS | _NEW_UTS | _NEW_IPC | _NEW_PID | _NEW_NET | (_NEW_USER if uid else 0)
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")
    if uid:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"65534 {uid} 1")
        _write("/proc/self/gid_map", f"65534 {gid} 1")


def _locked_flags(path: str) -> int:
    """The flags of a mount that a user namespace may not clear, in mount(2)'s bits."""
    flags = os.statvfs(path).f_flag
    return (flags & (_NOSUID | _NODEV | _NOEXEC | 0x400 | 0x800)) | (0x200000 if flags & 0x1000 else 0)


def _mounts_below(path: str) -> list[str]:
    with open(f"{_OLD}/proc/self/mountinfo") as file:
        points = [line.split()[4].replace("\\040", " ") for line in file]
    return [point for point in points if point == path or point.startswith(path + "/")]


def _bind(source: str, target: str, read_only: bool) -> None:
    source = _OLD + source
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT, 0o644))
    _mount(source, target, None, _BIND | _REC)
    if read_only:
        for point in _mounts_below(target):
            kept = _locked_flags(point)
            _mount("none", point, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV | kept)


def build_root(spec: Root) -> None:
    """Make the guest's root and unmount the host's. Runs as pid 1 of the new namespace."""
    os.umask(0o022)
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("sandbox", "/tmp", "tmpfs", _NOSUID | _NODEV, "mode=0755,size=1m")
    os.mkdir("/tmp" + _OLD)
    number = _PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), b"/tmp", b"/tmp" + _OLD.encode()), "pivot_root")
    os.chdir("/")
    for path in ("/proc", spec["scratch"]):
        os.makedirs(path, exist_ok=True)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    for target, path in spec["symlinks"]:
        os.symlink(target, path)
    for path in spec["read_only"]:
        _bind(path, path, read_only=True)
    for path in spec["devices"]:
        _bind(path, path, read_only=False)
    size = f"mode=1777,size={spec['scratch_bytes']},nr_inodes=1024"
    _mount("scratch", spec["scratch"], "tmpfs", _NOSUID | _NODEV, size)
    _check(_libc.umount2(_OLD.encode(), _DETACH), "umount of the host's root")
    os.rmdir(_OLD)
    _mount("none", "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)


def main() -> None:
    """Entry point; argv[1] is JSON."""
    spec: Root = json.loads(sys.argv[1])
    unshare()
    child = os.fork()
    if child == 0:
        try:
            _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)), "prctl")
            build_root(spec)
            os.execve(spec["supervisor"][0], spec["supervisor"], {})
        except BaseException as error:
            os.write(2, f"sandbox set-up failed: {error!r}\n".encode())
        os._exit(125)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
