"""One line per notebook on the terminal: progress, time and outcome."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from evalpress.core import secrets

_TICK_S = 0.5
_PIPE_S = 60.0


def say(text: str) -> None:
    """One whole line without secrets, seen at once even where stdout is a pipe.

    A closed pipe does not end the report.
    """
    try:
        print(printable(secrets.scrub(text)), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def row(name: str, outcome: str, detail: str = "") -> None:
    """The line of a notebook that is not being run."""
    say(_row(name, outcome, "", detail))


def printable(text: str) -> str:
    """`text` on one line and without control characters: part of it may come from a model or a server."""
    return "".join(c if c.isprintable() else " " for c in text)


class Watch:
    """The line of a running notebook, as a context manager.

    On a terminal it is rewritten twice a second; elsewhere it is printed once a minute, and once at the end.

    Args:
        name: the notebook's stem.
        cells: its number of cells.
        step: returns the library's current step.
        expected_s: how long the notebook took last time, in seconds; None where it never ran to its end.
    """

    def __init__(self, name: str, cells: int, step: Callable[[], str], expected_s: float | None = None) -> None:
        self._name, self._cells, self._step, self._expected_s = name, cells, step, expected_s
        self._done = 0
        self._start = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def cell_started(self, cell: Any, cell_index: int) -> None:
        """nbclient's hook."""
        self._done = cell_index

    def finish(self, outcome: str, detail: str = "") -> None:
        """Print the line's last state."""
        self._stop()
        if outcome == "done":
            self._done = self._cells
        _clear()
        say(_row(self._name, outcome, self._progress(), detail))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._over.is_set():  # interrupted: the caller prints the last line
            self._stop()
            _clear()

    def _stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _progress(self) -> str:
        return f"{self._done:>3}/{self._cells} cells  {_clock(time.monotonic() - self._start)}"

    def _left(self) -> str:
        """The remaining time, where the last run says how long this notebook takes."""
        if self._expected_s is None:
            return ""
        left = self._expected_s - (time.monotonic() - self._start)
        return f"about {_clock(left)} left  " if left > 0 else "longer than last time  "

    def _tick(self) -> None:
        on_terminal = sys.stdout.isatty()
        while not self._over.wait(_TICK_S if on_terminal else _PIPE_S):
            line = printable(_row(self._name, "running", self._progress(), self._left() + self._step()))
            if on_terminal:
                width = shutil.get_terminal_size().columns - 1
                sys.stdout.write(f"\r\x1b[2K{line[:width]}")
                sys.stdout.flush()
            else:
                say(line)


def _row(name: str, outcome: str, progress: str, detail: str) -> str:
    return f"  {name:<13} {outcome:<10} {progress:<20} {detail}".rstrip()


def _clear() -> None:
    if sys.stdout.isatty():
        sys.stdout.write("\r\x1b[2K")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
