"""Fault injection: the state that a report leaves when it is ended, at six moments and in four ways.

    python benchmarks/faults.py [--only MOMENT] [--fault FAULT] [--sparse]
    python benchmarks/faults.py --sparse --rows FILE --root FOLDER --most 3     # three more of them; may be repeated

Real throughout: the demo model on vLLM in eager mode, in the kernel's process, the OpenAI server with its engine core
in a separate process, the notebooks, the page. Only the sections benchmark and serving are measured, with a few
short requests.

Moments: engine load, mid-workload, server start, mid-request, while results are written, while rendering. The last two
are short; a disk that is slow there (`slow_disk/`) makes them long enough.
Faults: kill -9 of each process that the moment has (kernel, engine core, server, the command itself), SIGINT, full disk
(a small tmpfs, filled; without the right to mount one: no file may grow), memory limit (no process may map more than
32 MiB beyond what it has; with less, CPython's `Thread.start` waits for ever for a thread that cannot make its first
objects, and only `run.timeout_s` ends the section).
After each fault: results that were there before are intact or the new ones are complete, no process is left, no
traceback on the terminal, and the next run finishes what is missing. With `--sparse` the next run is made once per
moment, after its last fault; after the others `evalpress status` must name the section as not current.

With `--rows` each row is appended to a file, and combinations that are in it are not tried again; `--root` keeps the
report between calls, so that a call with `--most` takes a few minutes.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from evalpress.core.paths import ROOT
from fault_bench import SECTION, VICTIMS, Bench, kind_of, reports

PATIENCE_S = 240.0
GONE_S = 20.0
SMALL = 2**25


def kill(bench: Bench, run: subprocess.Popen[str], victim: str) -> None:
    """kill -9 of one process."""
    found = bench.process(victim, run)
    assert found is not None, f"no {victim}"
    found.kill()


def interrupt(bench: Bench, run: subprocess.Popen[str], victim: str) -> None:
    """Ctrl-C, which a terminal sends to the command."""
    run.send_signal(signal.SIGINT)


def fill(bench: Bench, run: subprocess.Popen[str], victim: str) -> None:
    """No room on the disk of the report; without a disk of our own, no file may grow."""
    if not bench.on_tmpfs:
        for process in [*bench.marked(), psutil.Process(run.pid)]:
            process.rlimit(psutil.RLIMIT_FSIZE, (0, 0))
        return
    try:
        with (bench.root / "reports" / "ballast").open("wb") as file:
            while True:
                file.write(bytes(2**16))
    except OSError:
        return


def limit(bench: Bench, run: subprocess.Popen[str], victim: str) -> None:
    """No process of the report may map much more memory than it has; while rendering, the command."""
    for process in [*bench.marked(), *([psutil.Process(run.pid)] if victim == "command" else [])]:
        process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + SMALL, resource.RLIM_INFINITY))


INJECT: dict[str, Callable[[Bench, subprocess.Popen[str], str], None]] = {
    "kill -9": kill,
    "SIGINT": interrupt,
    "full disk": fill,
    "memory limit": limit,
}


def tried(bench: Bench, moment: str, fault: str, victim: str, *, finish: bool) -> tuple[list[str], bool]:
    """One combination as a row of the table, and whether all is as it must be."""
    before, more = bench.contents(), bench.stale(moment)
    bench.mark.unlink(missing_ok=True)
    with tempfile.TemporaryFile("w+") as out:
        command, env = bench.command("report", *more), bench.environment(moment)
        run = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out, text=True)
        end = time.monotonic() + PATIENCE_S
        while not (reached := bench.reached(moment, victim, run)) and run.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        if reached:
            INJECT[fault](bench, run, victim)
            time.sleep(0.5)
        bench.mark.unlink(missing_ok=True)
        try:
            status = str(run.wait(PATIENCE_S))
        except subprocess.TimeoutExpired:
            run.kill()
            status = "hangs"
        out.seek(0)
        told = out.read()
    left = gone(bench)
    (bench.root / "reports" / "ballast").unlink(missing_ok=True)
    state = compared(before, bench.contents())
    follows, fine = following(bench, moment, more, state, finish=finish)
    good = reached and status != "hangs" and state != "BROKEN" and not left and "Traceback" not in told and fine
    row = [moment, f"{fault}, {victim}" if fault == "kill -9" else fault, status if reached else "NOT REACHED"]
    return [*row, said(told, bench), state, ", ".join(left) or "none", follows], good


def said(told: str, bench: Bench) -> str:
    """The line of the terminal that names the fault."""
    lines = [" ".join(line.split()) for line in told.replace(str(bench.root), "…").splitlines() if line.strip()]
    named = (line for line in lines if " failed " in line or " partly " in line or line.startswith("evalpress: "))
    return next(named, lines[-1] if lines else "")[:200].replace("|", "/")


def following(bench: Bench, moment: str, more: list[str], state: str, *, finish: bool) -> tuple[str, bool]:
    """What comes after a fault, and whether it is as it must be: the next run, or what `evalpress status` says."""
    if finish:
        after = bench.run("report", *more)
        found = bench.state(more)
        fine = after.returncode in (0, 1) and found == "current"
        return ("the next run finishes" if fine else f"NOT FINISHED: {found}, exit {after.returncode}"), fine
    found = bench.state(more)
    wanted: tuple[str, ...] = ("stale", "failed", "missing")
    if moment == "rendering":
        wanted = ("current",)
    elif state == "new":  # stale: the kernel outlived the command and wrote the results, and its notebook was not kept
        wanted = ("current", "stale")
    return f"status {found}" + ("" if found in wanted else f", NOT {' or '.join(wanted)}"), found in wanted


def gone(bench: Bench) -> list[str]:
    """Names of the report's processes that still live after a while."""
    end = time.monotonic() + GONE_S
    while (left := bench.marked()) and time.monotonic() < end:
        time.sleep(0.2)
    return [kind_of(one) or one.name() for one in left]


def compared(before: dict[str, bytes], now: dict[str, bytes]) -> str:
    """`old` where nothing changed, `new` where a section was completed, else BROKEN."""
    if now == before:
        return "old"
    changed = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
    if not any(name in changed for name in ("benchmark.json", "serving.json")):
        return "BROKEN"
    try:
        for name in changed:
            json.loads(now[name])
    except (KeyError, ValueError):
        return "BROKEN"
    return "new"


Combination = tuple[str, str, str]
"""Moment, fault, process that is hit."""


def combinations(moments: Sequence[str], faults: Sequence[str]) -> list[Combination]:
    """All of them, in order."""
    return [
        (moment, fault, victim)
        for moment in moments
        for fault in faults
        for victim in (VICTIMS[moment] if fault == "kill -9" else VICTIMS[moment][-1:])
    ]


def recorded(path: Path | None) -> list[dict[str, Any]]:
    """The rows of earlier calls."""
    if path is None or not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shown(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of all rows, and how many combinations are not as they must be."""
    heads = ("moment", "fault", "exit", "the terminal says", "results", "processes left", "afterwards")
    print("\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for one in rows:
        print("| " + " | ".join(one["row"]) + " |")
    print(f"\n{sum(not one['good'] for one in rows)} of {len(rows)} combinations are not as they must be")


def main() -> int:
    """Try the combinations; returns 1 where one is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTION, action="append", help="one moment")
    parser.add_argument("--fault", choices=INJECT, action="append", help="one fault")
    parser.add_argument("--sparse", action="store_true", help="the next run once per moment")
    parser.add_argument("--rows", type=Path, help="append each row to this file, one JSON object a line")
    parser.add_argument("--root", type=Path, help="where the report is made, kept for the next call")
    parser.add_argument("--most", type=int, default=1000, help="so many combinations in this call")
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so would the report
    root = given.root or Path(tempfile.mkdtemp(prefix="evalpress-faults-"))
    wanted = combinations(given.only or list(SECTION), given.fault or list(INJECT))
    rows = recorded(given.rows)
    done = {tuple(one["combination"]) for one in rows}
    benches: dict[str, Bench] = {}
    with reports(root, kept=given.root is not None) as on_tmpfs:
        print(f"full disk: {'a tmpfs of 64 MiB' if on_tmpfs else 'no file may grow'}\n", flush=True)
        for moment, fault, victim in [one for one in wanted if one not in done][: given.most]:
            bench = benches.setdefault(SECTION[moment], Bench(root, on_tmpfs, SECTION[moment], len(rows)))
            if (
                bench.state([]) != "current"
                and (first := bench.run("report")).returncode
                and bench.state([]) != "current"
            ):
                print(first.stdout + first.stderr)
                return 1
            last = (moment, fault, victim) == [one for one in wanted if one[0] == moment][-1]
            row, good = tried(bench, moment, fault, victim, finish=last or not given.sparse)
            rows.append({"combination": [moment, fault, victim], "row": row, "good": good})
            print(("ok  " if good else "BAD ") + " | ".join(row), flush=True)
            if given.rows:
                with given.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")
    shown(rows)
    if given.root is None:
        shutil.rmtree(root, ignore_errors=True)
    return 0 if all(one["good"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
