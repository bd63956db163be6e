"""What a report holds in memory at once, and whether it fits into a limit.

    python benchmarks/memory_peak.py [--limit GIB] -- --set SET [options of `evalpress report`]

Runs the report and adds up, every half second, the proportional set size (PSS: shared pages count once) of the command
and of every process that it starts. Prints the peak of each step of the library with what each process held, and the
peak of all. With `--limit` the report runs in a memory control group of its own below this process's (root and a
writable /sys/fs/cgroup): the suite plans with the limit, and the system ends what goes beyond it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from evalpress.core.lock import MARKER
from evalpress.core.paths import ROOT
from evalpress.core.units import GIB, MIB
from evalpress.platforms import control_group
from fault_bench import kind_of

POLL_S = 0.5


@contextmanager
def limited(gib: float | None) -> Iterator[Path | None]:
    """A control group with that limit, gone afterwards; None without a limit."""
    if gib is None:
        yield None
        return
    own = next(group for group in control_group._groups(Path("/proc/self"), Path("/"), "memory") if group.is_dir())
    group = own / f"evalpress-{os.getpid()}"
    group.mkdir()
    file = "memory.limit_in_bytes" if (group / "memory.limit_in_bytes").exists() else "memory.max"
    (group / file).write_text(str(int(gib * GIB)))
    try:
        yield group
    finally:
        group.rmdir()


def held(command: subprocess.Popen[str]) -> dict[str, tuple[int, str]]:
    """pid and kind -> PSS in bytes and the progress file, of every process of the report.

    Engine cores overwrite their environment: they are found as children of a process that carries the mark.
    """
    marked = [process for process in psutil.process_iter() if process.pid == command.pid or _carries_the_mark(process)]
    found = {}
    for process in {one for parent in marked for one in (parent, *_children(parent))}:
        with suppress(psutil.Error, OSError):
            kind = "command" if process.pid == command.pid else kind_of(process) or process.name()
            progress = process.environ().get("EVALPRESS_PROGRESS", "")
            found[f"{process.pid} {kind}"] = (process.memory_full_info().pss, progress)
    return found


def _carries_the_mark(process: psutil.Process) -> bool:
    with suppress(psutil.Error, OSError):
        return MARKER in process.environ()
    return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(process.children(recursive=True))
    return []


def step_of(rows: dict[str, tuple[int, str]]) -> str:
    """The library's current step."""
    for _, progress in rows.values():
        try:
            if progress:
                return Path(progress).read_text(encoding="utf-8").strip()
        except OSError:
            break
    return ""


def main() -> int:
    """Run the report, print what it held; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, metavar="GIB")
    parser.add_argument("report", nargs="*", help="options of `evalpress report`, after --")
    given = parser.parse_args()
    peaks: dict[str, tuple[int, str]] = {}
    top: dict[str, tuple[int, str]] = {}
    with limited(given.limit) as group:
        enter = (lambda: (group / "cgroup.procs").write_text(str(os.getpid()))) if group else None
        argv = [sys.executable, "-m", "evalpress", "report", *given.report]
        run = subprocess.Popen(argv, cwd=ROOT, text=True, preexec_fn=enter)
        while run.poll() is None:
            rows = held(run)
            total, step = sum(size for size, _ in rows.values()), step_of(rows)
            if total > sum(size for size, _ in top.values()):
                top = rows
            if total > peaks.get(step, (0, ""))[0]:
                told = ", ".join(f"{name.split(' ', 1)[1]} {size / GIB:.2f}" for name, (size, _) in rows.items())
                peaks[step] = (total, told)
            time.sleep(POLL_S)
        time.sleep(1.0)  # the group is removed when its last process is gone
        for name in ("memory.peak", "memory.max_usage_in_bytes"):
            if group and (group / name).is_file():
                print(f"\n{int((group / name).read_text()) / GIB:.2f} GiB by the control group, cached files included")
    for step, (total, told) in peaks.items():
        print(f"{total / GIB:6.2f} GiB  {step or '(no kernel)'}: {told}")
    print(f"\npeak {sum(size for size, _ in top.values()) / GIB:.2f} GiB")
    for name, (size, _) in top.items():
        print(f"  {size / MIB:8.0f} MiB  {name}")
    return run.returncode


if __name__ == "__main__":
    sys.exit(main())
