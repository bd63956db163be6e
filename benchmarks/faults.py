"""Fault injection: what a report leaves behind when something ends it, at six moments and in four ways.

    python benchmarks/faults.py [--only MOMENT] [--keep FOLDER]

Moments: engine load, mid-workload, server start, mid-request, while results are written, while rendering.
Faults: kill -9 (of the kernel, the engine core or the server, whichever the moment has), SIGINT, full disk, memory
limit. After each fault three things are checked: results that were there before are intact, no process is left, and
the next run finishes what is missing.

The run machinery is the real one: pipeline, kernel, papermill, lock, backup, log. Engine and server are stand-ins:
processes that wait, started as the library starts its own (a child of the kernel, a session of its own).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from synthetic import Project, measuring

MOMENTS = ("engine load", "mid-workload", "server start", "mid-request", "results written", "rendering")
FAULTS = ("kill -9", "SIGINT", "full disk", "memory limit")
PATIENCE_S = 120.0

STAND_IN = """
import os, pathlib, subprocess, sys, time
mark = job.folder.parent / "moment"
def at(moment):
    if os.environ.get("FAULT_AT") == moment:
        mark.write_text(moment)
        end = time.monotonic() + 20
        while time.monotonic() < end and mark.exists():
            bytearray(4_000_000)
            job.raw("observations", ["x" * 1000] * 100)
            time.sleep(0.1)
def waiting(name):
    code = f"import time\\nname = {name!r}\\ntime.sleep(300)"
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
def check(process):
    if process.poll() is not None:
        raise MeasurementError("the process ended")
from evalpress.core.errors import MeasurementError
core = waiting("engine core")
try:
    at("engine load")
    check(core)
    at("mid-workload")
    check(core)
    server = waiting("server")
    try:
        at("server start")
        check(server)
        at("mid-request")
        check(server)
    finally:
        server.kill()
finally:
    core.kill()
at("results written")
"""
RENDERER = """
import json, os, time
def render(folder, title, failures, skipped):
    mark = folder.parent / "moment"
    if os.environ.get("FAULT_AT") == "rendering":
        mark.write_text("rendering")
        end = time.monotonic() + 20
        while time.monotonic() < end and mark.exists():
            bytearray(4_000_000)
            (folder / "report.part").write_text("x" * 100_000)
            time.sleep(0.1)
    for name in ("report.html", "report.md"):
        (folder / name).write_text(title)
"""


def prepared(root: Path) -> Project:
    """A project with one finished report; its benchmark has stand-ins of an engine and a server."""
    project = Project(root)
    project.write("lib/evalpress/report/__init__.py", RENDERER)
    project.notebook("10_benchmark", measuring("benchmark", inside=STAND_IN))
    params = (root / "params" / "demo.yaml").read_text()
    skipped = ", ".join(f"{name}: not needed here" for name in ("setup", "serving", "evidence", "alignment", "quality"))
    project.write("params/demo.yaml", params + f"skip: {{{skipped}}}\n")
    done = project.run("report")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def contents(project: Project) -> dict[str, bytes]:
    """The benchmark's results and raw observations."""
    results = project.report / "results"
    paths = [results / "benchmark.json", *sorted(results.glob("raw/benchmark-*"))]
    return {str(path.relative_to(results)): path.read_bytes() for path in paths if path.is_file()}


def left(project: Project) -> list[psutil.Process]:
    """Processes that carry the report's mark, zombies apart."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get("EVALPRESS_REPORT") == str(project.report)
            if marked and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def kernel_of(project: Project) -> psutil.Process | None:
    """The kernel: the marked process that was started with a connection file."""
    return next((one for one in left(project) if any("kernel.json" in part for part in one.cmdline())), None)


def named(project: Project, name: str) -> psutil.Process | None:
    """A stand-in by its name."""
    return next((one for one in left(project) if any(f"name = '{name}'" in part for part in one.cmdline())), None)


def killed(project: Project, run: subprocess.Popen[str], moment: str) -> None:
    """kill -9 of what the moment has: engine core, server, else the kernel; while rendering the command itself."""
    wanted = {"engine load": "engine core", "server start": "server", "mid-request": "server"}.get(moment)
    victim = named(project, wanted) if wanted else kernel_of(project)
    if moment == "rendering" or victim is None:
        run.kill()
    else:
        victim.kill()


def interrupted(project: Project, run: subprocess.Popen[str], moment: str) -> None:
    run.send_signal(signal.SIGINT)


def filled(project: Project, run: subprocess.Popen[str], moment: str) -> None:
    """Files cannot grow any more: the limit of file sizes stands for a full disk in the kernel and the command."""
    for process in (kernel_of(project), psutil.Process(run.pid)):
        if process is not None:
            process.rlimit(psutil.RLIMIT_FSIZE, (0, 0))


def limited(project: Project, run: subprocess.Popen[str], moment: str) -> None:
    """No more memory for the kernel, or for the command while it renders."""
    victim = psutil.Process(run.pid) if moment == "rendering" else kernel_of(project)
    if victim is not None:
        size = victim.memory_info().vms
        victim.rlimit(psutil.RLIMIT_AS, (size, resource.RLIM_INFINITY))


INJECT: dict[str, Callable[[Project, subprocess.Popen[str], str], None]] = {
    "kill -9": killed, "SIGINT": interrupted, "full disk": filled, "memory limit": limited
}  # fmt: skip


def tried(project: Project, moment: str, fault: str) -> tuple[str, ...]:
    """One combination: exit status, and whether old results are intact, nothing is left, the next run finishes."""
    before, mark = contents(project), project.report.parent / "moment"
    mark.unlink(missing_ok=True)
    env = project.environment() | {"FAULT_AT": moment}
    out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe could be full
    run = subprocess.Popen(
        project.command("report", "--force"), cwd=project.root, env=env, stdout=out, stderr=out, text=True
    )
    end = time.monotonic() + PATIENCE_S
    while not mark.exists() and run.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    reached = mark.exists()
    INJECT[fault](project, run, moment)
    time.sleep(1.0)
    mark.unlink(missing_ok=True)
    try:
        status = str(run.wait(PATIENCE_S))
    except subprocess.TimeoutExpired:
        run.kill()
        status = "hangs"
    while left(project) and time.monotonic() < end and status == "-9":
        time.sleep(0.2)  # the kernel ends by itself when its command was killed
    remains = left(project)
    now = contents(project)
    new = now != before and "benchmark.json" in now and now["benchmark.json"] != before["benchmark.json"]
    intact = now == before or (new and not (project.report / ".aside").exists())
    out.seek(0)
    traceback = "Traceback" in out.read()
    following = project.run("report")
    following = project.run("report") if following.returncode else following
    state = project.run("status", "--json")
    fine = following.returncode == 0 and '"stale"' not in state.stdout and '"failed"' not in state.stdout
    words = "new" if new else "old" if intact else "BROKEN"
    return (
        moment, fault, "yes" if reached else "NO", status, words, "none" if not remains else f"{len(remains)} LEFT",
        "TRACEBACK" if traceback else "no", "yes" if fine else "NO",
    )  # fmt: skip


def main() -> int:
    """Try all combinations; returns 1 where one is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=MOMENTS, help="one moment")
    parser.add_argument("--keep", type=Path, help="work in this folder and keep it")
    given = parser.parse_args()
    root = given.keep or Path(tempfile.mkdtemp(prefix="faults-"))
    heads = ("moment", "fault", "reached", "exit", "results", "processes", "traceback", "next run finishes")
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    wrong, project = 0, prepared(root / "0")
    for moment in [given.only] if given.only else MOMENTS:
        for fault in FAULTS:
            row = tried(project, moment, fault)
            print("| " + " | ".join(row) + " |", flush=True)
            if row[2] != "yes" or row[4] == "BROKEN" or row[5] != "none" or row[6:] != ("no", "yes"):
                wrong += 1
                project = prepared(root / str(wrong))
    if not given.keep:
        shutil.rmtree(root, ignore_errors=True)
    print(f"{wrong} combinations are not as they must be (uid {os.getuid()})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
