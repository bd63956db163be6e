"""Runs an untrusted program: no network, no writes outside a scratch folder, bounded in every way.

Two kinds do the same: bubblewrap, or this project's own namespaces where bubblewrap is missing or refused.
In both, the guest has its own mount, pid, network, IPC and UTS namespace, the system and the interpreter
read-only, only a small scratch folder in memory to write to, is never root, and is limited by
rlimits and (x86_64, aarch64) a system-call filter. A kind counts as available only after a probe program
inside it has failed to do what must be impossible. Where neither passes, `find` returns None and the
callers execute nothing.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, Literal

from evalpress.sections.quality.guest import namespaces, supervisor

Kind = Literal["bubblewrap", "namespaces"]
Stopped = Literal["time", "output"] | None
KINDS: tuple[Kind, ...] = ("bubblewrap", "namespaces")
SCRATCH = "/tmp"
"""The guest's working folder, inside the sandbox only."""

_GUEST_ENV = {"PATH": "/usr/bin:/bin", "HOME": SCRATCH, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_DYNAMIC_USERS = range(61184, 65520)
"""User ids that systemd reserves for services without a fixed user: no other process runs under them."""

_RUN = itertools.count(os.getpid() * 101)


@dataclass(frozen=True)
class Limits:
    """What one run may use. `cpu_s`, `memory_mib` hold per process, `scratch_mib` per file and in all."""

    wall_s: float = 10.0
    cpu_s: int = 4
    memory_mib: int = 256
    processes: int = 8
    output_bytes: int = 1 << 18
    scratch_mib: int = 8


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `stopped` says which limit ended it from outside, or None."""

    returncode: int
    stdout: bytes
    stderr: bytes
    stopped: Stopped
    wall_s: float


@dataclass(frozen=True)
class Sandbox:
    """A kind of sandbox that passed its probe."""

    kind: Kind

    def run(self, argv: list[str], stdin: bytes = b"", limits: Limits | None = None) -> Outcome:
        """Run `argv` (absolute program path) with `stdin`; when this returns, no process of it is left."""
        limits = limits or Limits()
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as theirs, os.fdopen(write_end, "wb") as ours:
            process = subprocess.Popen(
                _COMMANDS[self.kind](argv, limits, theirs.fileno()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": _GUEST_ENV["PATH"]},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            theirs.close()
            start = time.monotonic()
            with process:
                try:
                    stdout, stderr, stopped = _attend(process, stdin, limits)
                finally:
                    ours.close()
                    _end(process)
            return Outcome(process.returncode, stdout, stderr, stopped, time.monotonic() - start)

    def run_python(self, source: str, stdin: bytes = b"", limits: Limits | None = None) -> Outcome:
        """Run Python source with the standard library only."""
        return self.run([python(), "-I", "-S", "-c", source], stdin, limits)


def python() -> str:
    """The interpreter itself, not the link to it that a virtual environment has."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidate = Path(sys.base_prefix) / "bin" / version
    return str((candidate if candidate.exists() else Path(sys.executable)).resolve())


@cache
def find() -> Sandbox | None:
    """The first kind that works here, found by running the probe once per process."""
    from evalpress.sections.quality.probe import failures

    return next((Sandbox(kind) for kind in KINDS if not failures(Sandbox(kind))), None)


def describe() -> dict[str, str | None]:
    """For the report: `kind`, or null with `kind_why`."""
    from evalpress.sections.quality.probe import failures

    found = find()
    if found:
        return {"kind": found.kind}
    why = "; ".join(f"{kind}: {', '.join(failures(Sandbox(kind)))}" for kind in KINDS)
    return {"kind": None, "kind_why": f"no sandbox holds on this host, so code is not executed ({why})"}


def _attend(process: subprocess.Popen[bytes], stdin: bytes, limits: Limits) -> tuple[bytes, bytes, Stopped]:
    """Feed and read the pipes until the sandbox has ended by itself or a limit is reached."""
    deadline = time.monotonic() + limits.wall_s
    assert process.stdin and process.stdout and process.stderr
    output = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    unread, unsent = set(output), memoryview(stdin)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        for descriptor in output:
            selector.register(descriptor, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        stopped: Stopped = None
        while unread and stopped is None:
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                if key.fileobj is process.stdin:
                    unsent = _feed(process.stdin, unsent, selector)
                elif data := os.read(key.fd, 65536):
                    output[key.fd] += data
                else:
                    selector.unregister(key.fd)
                    unread.discard(key.fd)
            if sum(map(len, output.values())) > limits.output_bytes:
                stopped = "output"
            elif time.monotonic() > deadline:
                stopped = "time"
    stdout, stderr = (bytes(data[: limits.output_bytes]) for data in output.values())
    return stdout, stderr, stopped


def _feed(pipe: IO[bytes], unsent: memoryview, selector: selectors.BaseSelector) -> memoryview:
    """Write what fits; close the pipe when all is written or the guest has stopped reading."""
    try:
        unsent = unsent[os.write(pipe.fileno(), unsent[:65536]) :]
    except BrokenPipeError:
        unsent = unsent[:0]
    if not unsent:
        selector.unregister(pipe)
        pipe.close()
    return unsent


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait until the sandbox has ended. The closed control pipe ends it; what is left after some seconds is killed.

    The namespace's pid 1 is killed before the process that waits for it: the wait then ends only when the
    kernel has removed every process of the namespace.
    """
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        for pid in _children(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _supervisor(argv: list[str], limits: Limits, control: int) -> list[str]:
    """The command of pid 1 inside the sandbox."""
    root = os.getuid() == 0
    spec = {
        "argv": argv,
        "env": _GUEST_ENV,
        "scratch": SCRATCH,
        "control_fd": control,
        # One id per run: the kernel counts processes per user, and two sandboxes must not count together.
        "uid": _DYNAMIC_USERS[next(_RUN) % len(_DYNAMIC_USERS)] if root else None,
        **asdict(limits),
    }
    return [python(), "-I", "-S", "-c", inspect.getsource(supervisor), json.dumps(spec)]


def _view() -> tuple[list[str], list[list[str]]]:
    """The host folders that are read-only in the guest, and the root's symbolic links as (target, path)."""
    system = [Path(name) for name in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")]
    links = [[str(path.readlink()), str(path)] for path in system if path.is_symlink()]
    read_only = [str(path) for path in system if path.is_dir() and not path.is_symlink()]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        read_only.append(sys.base_prefix)
    return read_only + [name for name in ("/etc/ld.so.cache",) if Path(name).exists()], links


def _bubblewrap(argv: list[str], limits: Limits, control: int) -> list[str]:
    read_only, links = _view()
    command = [shutil.which("bwrap") or "/usr/bin/bwrap", "--die-with-parent", "--new-session", "--as-pid-1"]
    command += ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    command += [] if os.getuid() == 0 else ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    for path in read_only:
        # bubblewrap makes missing parents for root alone; the guest must be able to walk through them.
        for parent in [*Path(path).parents][-2::-1]:
            command += ["--perms", "0755", "--dir", str(parent)]
        command += ["--ro-bind", path, path]
    for target, path in links:
        command += ["--symlink", target, path]
    command += ["--dir", "/dev"]
    for path in _DEVICES:
        command += ["--dev-bind", path, path]
    command += [
        "--proc",
        "/proc",
        "--perms",
        "1777",
        "--size",
        str(limits.scratch_mib << 20),
        "--tmpfs",
        SCRATCH,
    ]
    return [*command, "--remount-ro", "/", "--", *_supervisor(argv, limits, control)]


def _namespaces(argv: list[str], limits: Limits, control: int) -> list[str]:
    read_only, links = _view()
    spec = {
        "read_only": read_only,
        "symlinks": links,
        "devices": _DEVICES,
        "scratch": SCRATCH,
        "scratch_bytes": limits.scratch_mib << 20,
        "supervisor": _supervisor(argv, limits, control),
    }
    return [python(), "-I", "-S", "-c", inspect.getsource(namespaces), json.dumps(spec)]


_COMMANDS: dict[Kind, Callable[[list[str], Limits, int], list[str]]] = {
    "bubblewrap": _bubblewrap,
    "namespaces": _namespaces,
}
