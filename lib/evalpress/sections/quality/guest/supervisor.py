"""First process of the sandbox (pid 1 of its pid namespace): starts the guest with its limits and ends it.

It is passed as source (`python -I -S -c`). When it exits, for any reason, the kernel kills every
process that is left in the namespace, even if it has detached itself.
"""
# pathlib would double the start-up time of every run
# ruff: noqa: PTH123

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import select
import signal
import struct
import sys
from typing import Any, TypedDict

SETUP_FAILED = 125
"""Exit status when the guest could not be confined; the guest program was not started."""

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2

# System calls that the guest is refused: (x86_64, aarch64), numbers of the kernel's own tables. They open
# sockets, look into other processes, make namespaces or mounts, or hold memory that no rlimit counts.
REFUSED = {
    "socket": (41, 198), "socketpair": (53, 199), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "kcmp": (312, 272), "shmget": (29, 194),
    "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279),
    "memfd_secret": (447, 447), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "syslog": (103, 116),
}  # fmt: skip
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_CLONE_NEW = 0x7E020000
"""All CLONE_NEW* flags: a namespace inside the sandbox would give its maker capabilities there."""
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def seccomp_program(machine: str) -> bytes | None:
    """The filter as packed BPF instructions (linux/filter.h), or None on a machine without a table here."""
    if machine not in _AUDIT_ARCH:
        return None
    column = 0 if machine == "x86_64" else 1
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse, unknown = 0x7FFF0000, 0x80000000, 0x00050000 | 1, 0x00050000 | 38
    program = [
        (load, 0, 0, 4),  # seccomp_data.arch
        (equal, 1, 0, _AUDIT_ARCH[machine]),
        (answer, 0, 0, kill),
        (load, 0, 0, 0),  # seccomp_data.nr
        (at_least, 0, 1, 0x40000000),  # the x32 numbers of x86_64
        (answer, 0, 0, kill),
    ]
    for numbers in REFUSED.values():
        program += [(equal, 0, 1, numbers[column]), (answer, 0, 0, refuse)]
    # clone3 hides its flags in memory; answered "no such call", the C library falls back to clone.
    program += [(equal, 0, 1, _CLONE3[column]), (answer, 0, 0, unknown)]
    program += [
        (equal, 0, 3, _CLONE[column]),
        (load, 0, 0, 16),
        (any_bit, 0, 1, _CLONE_NEW),
        (answer, 0, 0, refuse),
    ]
    program.append((answer, 0, 0, allow))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _prctl(option: int, *args: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [*args, *[ctypes.c_ulong(0)] * (4 - len(args))]
    if libc.prctl(option, *padded) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _filter_system_calls() -> None:
    program = seccomp_program(platform.machine())
    if program is None:
        return
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
    fprog = ctypes.create_string_buffer(header, len(header))
    _prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.c_void_p(ctypes.addressof(fprog)))


class Confinement(TypedDict):
    """argv[1]: the guest program, its limits, and the pipe that ends it when closed."""

    argv: list[str]
    env: dict[str, str]
    scratch: str
    control_fd: int
    uid: int | None
    memory_mib: int
    scratch_mib: int
    cpu_s: int
    processes: int


def _limit(spec: Confinement) -> None:
    mib = 1 << 20
    limits = {
        resource.RLIMIT_AS: spec["memory_mib"] * mib,
        resource.RLIMIT_CPU: spec["cpu_s"],
        resource.RLIMIT_NPROC: spec["processes"],
        resource.RLIMIT_FSIZE: spec["scratch_mib"] * mib,
        resource.RLIMIT_NOFILE: 32,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for name, value in limits.items():
        resource.setrlimit(name, (value, value))


def become_guest(spec: Confinement) -> None:
    """Confine this process permanently and turn it into the guest program. Returns only by an exception."""
    os.setsid()
    os.closerange(3, 256)
    os.chdir(spec["scratch"])
    _limit(spec)
    if spec["uid"] is not None:
        # Root's processes are exempt from RLIMIT_NPROC and pass every permission: the guest must not be root.
        os.setgroups([])
        os.setresgid(spec["uid"], spec["uid"], spec["uid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    _prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))
    _filter_system_calls()
    os.execve(spec["argv"][0], spec["argv"], spec["env"])


def watch(guest: int, control: int) -> int:
    """Wait for the guest's end (returns its exit status) or for the control pipe to close (128 + SIGKILL)."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == guest:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if pid == 0 and select.select([control], [], [], 0.01)[0]:
            return 128 + signal.SIGKILL


def main() -> None:
    """Entry point. argv[1] is the specification as JSON, see `evalpress.sections.quality.sandbox`."""
    spec: Confinement = json.loads(sys.argv[1])
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    _prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0))  # a guest of the same user cannot trace this process
    guest = os.fork()
    if guest == 0:
        try:
            become_guest(spec)
        except BaseException as error:
            os.write(2, f"sandbox set-up failed: {error!r}\n".encode())
        os._exit(SETUP_FAILED)
    os._exit(watch(guest, spec["control_fd"]))


if __name__ == "__main__":
    main()
