"""Capturing output: every line that this process and its children print, stamped with the monotonic clock.

vLLM reports most of its start-up only in its log, and with worker processes only on their standard error. The
capture puts a pipe before file descriptors 1 and 2, passes everything on unchanged and keeps the lines.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType

Line = tuple[float, str]
_DRAIN_S = 5.0
"""Longest time that leaving the block waits for output that is still in a pipe."""


class OutputCapture:
    """Context manager; `lines` holds `(seconds on time.monotonic, text)` in order of arrival.

    Children inherit the pipes and may outlive the block. What they print later is passed on and not kept; the
    descriptors of a pipe are closed when its last writer has ended.
    """

    def __init__(self) -> None:
        self._pumps: list[_Pump] = []
        self._lock = threading.Lock()
        self._lines: list[Line] = []

    @property
    def lines(self) -> Sequence[Line]:
        """The lines so far; complete after the block."""
        with self._lock:
            return list(self._lines)

    def keep(self, lines: Sequence[bytes]) -> None:
        """Keep lines, stamped now: stamping and keeping are one step, so that lines stay in order."""
        with self._lock:
            stamp = time.monotonic()
            self._lines += [(stamp, line.decode("utf-8", "replace")) for line in lines]

    def __enter__(self) -> OutputCapture:
        _flush()
        self._pumps = [_Pump(target, self) for target in (1, 2)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _flush()
        for pump in self._pumps:
            pump.restore()


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()


class _Pump:
    """One descriptor's pipe, with the thread that reads it."""

    def __init__(self, target: int, capture: OutputCapture) -> None:
        self._target, self._capture = target, capture
        self._mark = b"\0" + secrets.token_hex(16).encode() + b"\n"
        self._drained = threading.Event()
        self._onward = os.dup(target)
        self._source, write_end = os.pipe()
        os.dup2(write_end, target)
        os.close(write_end)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def restore(self) -> None:
        """Put the descriptor back and wait until the pipe's content up to now is kept.

        A mark written into the pipe says how far that is: children that still hold the pipe keep it from ending.
        """
        os.write(self._target, self._mark)
        os.dup2(self._onward, self._target)
        self._drained.wait(_DRAIN_S)

    def _run(self) -> None:
        held = rest = b""
        recording = True
        while chunk := os.read(self._source, 65536):
            held += chunk
            if not recording:
                self._pass_on(held)
                held = b""
                continue
            before, mark, after = held.partition(self._mark)
            recording = not mark
            at = len(before) if mark else self._safe_length(held)
            self._pass_on(held[:at] + after)
            *whole, rest = (rest + held[:at]).split(b"\n")
            held = b"" if mark else held[at:]
            self._capture.keep(whole if recording or not rest else [*whole, rest])
            if mark:
                self._drained.set()
        self._pass_on(held)
        self._drained.set()
        os.close(self._source)
        os.close(self._onward)

    def _safe_length(self, data: bytes) -> int:
        """How much of the data cannot be the beginning of the mark."""
        at = data.rfind(b"\0", max(0, len(data) - len(self._mark) + 1))
        return at if at >= 0 and self._mark.startswith(data[at:]) else len(data)

    def _pass_on(self, data: bytes) -> None:
        """Write all of it. What cannot be written (a full disk) is lost; the pipe is still emptied."""
        while data:
            try:
                data = data[os.write(self._onward, data) :]
            except OSError:
                return
