"""The sandbox holds: every hostile program is contained, and a legitimate one works."""

from __future__ import annotations

import os
import re
import socket
import string
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from evalpress.sections.quality import checkers, probe, sandbox
from evalpress.sections.quality.guest import supervisor
from forgeries import FORGERIES
from hostile import ESCAPES

pytestmark = pytest.mark.slow

SECRET = "hunter2-do-not-tell"
LIMITS = sandbox.Limits(wall_s=1.5, cpu_s=1, memory_mib=128, processes=8)
AVAILABLE = [kind for kind in sandbox.KINDS if not probe.failures(sandbox.Sandbox(kind))]

# Without a sandbox the suite does not run model-written code at all: there is nothing to test.
needs_sandbox = pytest.mark.skipif(not AVAILABLE, reason=str(sandbox.describe().get("kind_why")))


class Impatient(sandbox.Sandbox):
    def run_python(self, source, stdin=b"", limits=None):
        return super().run_python(source, stdin, LIMITS)


def foreign_processes() -> dict[int, Path]:
    """Processes of other pid namespaces than ours, as far as we may look, each with its namespace."""
    found = {}
    for link in Path("/proc").glob("[0-9]*/ns/pid"):
        with suppress(OSError):
            found[int(link.parts[2])] = link.readlink()
    own = Path("/proc/self/ns/pid").readlink()
    return {pid: namespace for pid, namespace in found.items() if namespace != own}


def left_over(before: dict[int, Path]) -> set[int]:
    """New processes of other namespaces that stay (a moment is given to other sandboxes of this host)."""
    left = foreign_processes().keys() - before.keys()
    for _ in range(20):
        if not left:
            break
        time.sleep(0.25)
        left &= foreign_processes().keys()
    return left


@dataclass
class World:
    """Possible targets of a hostile program, and whether they are unharmed."""

    folder: Path
    tcp: socket.socket
    udp: socket.socket
    unix: socket.socket
    victim: subprocess.Popen

    def fill(self, program: str) -> str:
        names = {
            "folder": repr(str(self.folder)),
            "home": repr(str(Path.home())),
            "scratch": sandbox.SCRATCH,
            "port": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "abstract": repr(self.unix.getsockname()[1:].decode()),
            "victim": self.victim.pid,
            "parent": os.getpid(),
        }
        return string.Template(program).substitute(names)

    def harm(self) -> list[str]:
        found = []
        if [path.name for path in self.folder.iterdir()] != ["precious"]:
            found.append("files outside came or went")
        elif (self.folder / "precious").read_text() != SECRET:
            found.append("a file outside was changed")
        for name in ("tcp", "udp", "unix"):
            try:
                getattr(self, name).recv(1) if name == "udp" else getattr(self, name).accept()
                found.append(f"something arrived by {name}")
            except BlockingIOError:
                pass
        if self.victim.poll() is not None:
            found.append("a process outside was killed")
        if Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt":
            found.append("a process outside was stopped")
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside")
    (folder / "precious").write_text(SECRET)
    folder.chmod(0o777)
    (folder / "precious").chmod(0o666)
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as unix,
        subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL) as victim,
    ):
        patch.setenv("API_TOKEN", SECRET)
        udp.bind(("127.0.0.1", 0))
        unix.bind(f"\0evalpress-{os.getpid()}-{time.monotonic_ns()}")
        unix.listen()
        for listener in (tcp, udp, unix):
            listener.setblocking(False)
        yield World(folder, tcp, udp, unix, victim)
        victim.kill()


@pytest.fixture(scope="module", params=AVAILABLE)
def escapes(request, world):
    """Every escape tried, several at a time: their outcomes by name, and the state of the host."""
    box = sandbox.Sandbox(request.param)
    before = foreign_processes()
    with ThreadPoolExecutor(6) as pool:
        runs = {name: pool.submit(box.run_python, world.fill(ESCAPES[name]), b"", LIMITS) for name in ESCAPES}
    return {name: run.result() for name, run in runs.items()}, left_over(before), world.harm()


@needs_sandbox
@pytest.mark.parametrize("name", ESCAPES)
def test_escape_is_contained(name, escapes):
    outcome = escapes[0][name]
    assert b"ESCAPED" not in outcome.stdout + outcome.stderr
    assert SECRET.encode() not in outcome.stdout + outcome.stderr
    assert b"root:x:0" not in outcome.stdout
    assert outcome.returncode != supervisor.SETUP_FAILED, outcome.stderr
    assert len(outcome.stdout) <= LIMITS.output_bytes >= len(outcome.stderr)
    assert outcome.wall_s < LIMITS.wall_s + 5


@needs_sandbox
def test_escapes_leave_the_host_as_it_was(escapes):
    _, left, harm = escapes
    assert left == set()
    assert harm == []


@needs_sandbox
@pytest.mark.parametrize("kind", AVAILABLE)
def test_processes_are_counted(kind):
    """As many processes as allowed, by the program's count and by the host's (which sees the supervisor as well)."""
    program = """
import os, time
count = 1
try:
    while os.fork():
        count += 1
    time.sleep(60)
except OSError:
    print(count, flush=True)
    time.sleep(1)
"""
    before, seen = foreign_processes(), 0
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(sandbox.Sandbox(kind).run_python, program, b"", LIMITS)
        while not run.done():
            new = Counter(namespace for pid, namespace in foreign_processes().items() if pid not in before)
            seen = max(seen, *new.values(), 0)  # of one namespace: tests beside this one have sandboxes, too
            time.sleep(0.02)
    assert LIMITS.processes - 2 <= int(run.result().stdout) <= LIMITS.processes
    assert seen <= LIMITS.processes + 1
    assert left_over(before) == set()


@pytest.fixture(scope="module", params=AVAILABLE)
def forgeries(request, world):
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(6) as pool:
        patch.setattr(sandbox, "find", lambda: Impatient(request.param))
        asked = {"function": "answer", "tests": _tests((2, 5), (0, 1), (7, 50))}
        runs = {name: pool.submit(checkers.check, "python_function", text, **asked) for name, text in FORGERIES.items()}
        return {name: run.result() for name, run in runs.items()}, world.harm()


@needs_sandbox
@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_does_not_pass(name, forgeries):
    assert forgeries[0][name].verdict == "fail", forgeries[0][name].reason
    assert forgeries[1] == []


def _tests(*pairs):
    return [{"args": [argument], "expect": expected} for argument, expected in pairs]


@needs_sandbox
@pytest.mark.parametrize("kind", AVAILABLE)
def test_legitimate_program_works(kind, monkeypatch):
    monkeypatch.setattr(sandbox, "find", lambda: sandbox.Sandbox(kind))
    program = "import math\ndef answer(n):\n    print('working')\n    return int(math.pow(n, 2)) + 1"
    found = checkers.check("python_function", program, function="answer", tests=_tests((2, 5), (0, 1)))
    assert (found.verdict, found.reason) == ("pass", "2 of 2 calls of answer() right")
    outcome = sandbox.Sandbox(kind).run(
        ["/bin/sh", "-c", "cat; echo err >&2; echo x > file && cat file; exit 7"], b"in\n"
    )
    assert (outcome.stdout, outcome.stderr, outcome.returncode, outcome.stopped) == (b"in\nx\n", b"err\n", 7, None)


@needs_sandbox
@pytest.mark.parametrize("kind", AVAILABLE)
def test_limits_are_reported(kind):
    box = sandbox.Sandbox(kind)
    assert box.run_python("import time\ntime.sleep(99)", limits=sandbox.Limits(wall_s=0.5)).stopped == "time"
    endless = box.run_python("while True: print('x' * 999)", limits=sandbox.Limits(output_bytes=5000))
    assert endless.stopped == "output"
    assert len(endless.stdout) == 5000
    large = b"x" * 500_000
    assert box.run_python("import sys; print(len(sys.stdin.buffer.read()))", stdin=large).stdout == b"500000\n"
    assert box.run_python("pass", stdin=large).returncode == 0


@needs_sandbox
def test_the_sandbox_ends_with_its_caller(tmp_path):
    """The control pipe closes with its owner, however that ends."""
    before = foreign_processes()
    caller = subprocess.Popen(
        [os.sys.executable, "-c", "from evalpress.sections.quality import sandbox\nprint('ready', flush=True)\n"
         "sandbox.find().run_python('import time; time.sleep(600)', limits=sandbox.Limits(wall_s=600))"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert caller.stdout.readline() == b"ready\n"
    deadline = time.monotonic() + 20
    while not (started := foreign_processes().keys() - before.keys()) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    caller.kill()
    caller.communicate()
    while (left := started & foreign_processes().keys()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert started
    assert not left


def test_without_a_sandbox_nothing_is_executed(monkeypatch):
    def forbidden(*arguments, **keywords):
        raise AssertionError("a process was started")

    monkeypatch.setattr(sandbox, "find", lambda: None)
    monkeypatch.setattr(subprocess, "Popen", forbidden)
    found = checkers.check("python_function", "def answer(n): return n", function="answer", tests=_tests((1, 1)))
    assert found.verdict == "needs_review"
    assert "not executed" in found.reason
    assert checkers.check("bash", "ls", uses=[["ls"]]).verdict == "needs_review"


def test_a_sandbox_that_does_not_hold_is_not_used(monkeypatch):
    """Plain rlimits without namespaces start programs, but the probe sees the host through them."""

    def bare(argv, limits, control):
        return [*argv]

    monkeypatch.setitem(sandbox._COMMANDS, "bubblewrap", bare)
    failed = probe.failures.__wrapped__(sandbox.Sandbox("bubblewrap"))
    assert {"network", "net namespace", "outside file read", "outside file written", "nothing changed outside"} <= set(
        failed
    )
    monkeypatch.setitem(sandbox._COMMANDS, "namespaces", lambda *_: ["/nonexistent"])
    assert "does not start" in probe.failures.__wrapped__(sandbox.Sandbox("namespaces"))[0]


@pytest.mark.parametrize(("column", "header"), [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")])
def test_refused_system_calls_have_the_kernels_numbers(column, header):
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"{path} is not on this host")
    known = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", path.read_text())}
    ours = {name: numbers[column] for name, numbers in supervisor.REFUSED.items()}
    ours |= {"clone": supervisor._CLONE[column], "clone3": supervisor._CLONE3[column]}
    assert ours == {name: known.get(name, number) for name, number in ours.items()}
    assert len(set(ours) & set(known)) > 30


def test_filter_is_sound_on_both_machines():
    """Every jump lands inside the program, and an unknown machine gets no filter rather than a wrong one."""
    import struct

    assert supervisor.seccomp_program("riscv64") is None
    for machine in ("x86_64", "aarch64"):
        program = supervisor.seccomp_program(machine)
        instructions = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
        assert instructions[-1] == (0x06, 0, 0, 0x7FFF0000)
        targets = [at + 1 + max(yes, no) for at, (code, yes, no, _) in enumerate(instructions) if code != 0x06]
        assert max(targets) < len(instructions)
