"""Reading along: every line that this process and its children print, stamped with the monotonic clock.

vLLM tells most of what start-up did only in its log, and with worker processes only on their standard
error. The tap puts a pipe before file descriptors 1 and 2, passes everything through unchanged and keeps
the lines.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType


class LineTap:
    """Context manager; `lines` holds `(seconds on time.monotonic, text)` in order of arrival."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str]] = []
        self._saved: dict[int, int] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> LineTap:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        for target in (1, 2):
            self._saved[target] = os.dup(target)
            read_end, write_end = os.pipe()
            os.dup2(write_end, target)
            os.close(write_end)
            thread = threading.Thread(target=self._pump, args=(read_end, self._saved[target]), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def _pump(self, source: int, onward: int) -> None:
        rest = b""
        while chunk := os.read(source, 65536):
            stamp = time.monotonic()
            os.write(onward, chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            self.lines += [(stamp, line.decode("utf-8", "replace")) for line in whole]
        os.close(source)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        for target, saved in self._saved.items():
            os.dup2(saved, target)
        # Worker processes inherit the pipe's write end and keep it open for as long as they live, so the
        # pumps may outlast this block; they pass lines on until the last writer is gone.
        for thread in self._threads:
            thread.join(timeout=0.5)
        self.lines.sort(key=lambda line: line[0])  # two pumps, one list: a pump may be overtaken before it appends
