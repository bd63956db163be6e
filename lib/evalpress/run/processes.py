"""Everything that a report starts, found again by one environment variable and ended.

Engines and servers run in separate sessions and may run on after the kernel has ended, so neither process groups
nor parent processes find them all. Each inherits the variable, also after its parent has changed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from evalpress.core.lock import MARKER

_ROUNDS = 5
_POLL_S = 0.02


def end_all(folder: Path, patience_s: float = 5.0) -> None:
    """End every process marked with this report folder, and their descendants: SIGTERM, then SIGKILL."""
    for attempt in range(_ROUNDS):
        found = list(_of(folder))
        if not found:
            return
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.terminate() if attempt == 0 else process.kill()
        _wait(found, patience_s)


def _wait(processes: list[psutil.Process], patience_s: float) -> None:
    """Until all have ended. Zombies count as ended."""
    until = time.monotonic() + patience_s
    while any(_lives(process) for process in processes) and time.monotonic() < until:
        time.sleep(_POLL_S)


def _of(folder: Path) -> Iterator[psutil.Process]:
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid not in mine and _is_marked(process, folder):
            family = [process]
            with contextlib.suppress(psutil.Error):
                family += process.children(recursive=True)
            found.update((member.pid, member) for member in family)
    yield from (process for process in found.values() if _lives(process))


def _is_marked(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.environ().get(MARKER) == str(folder)
    except (psutil.Error, OSError):
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
