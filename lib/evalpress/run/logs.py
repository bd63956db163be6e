"""What a kernel and its children print goes to the log of the notebook that is running."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
import time
from pathlib import Path
from typing import BinaryIO


class LogPump:
    """A pipe for file descriptors 1 and 2 of a process tree, emptied by a thread into the current log file."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def started(self) -> None:
        """The process that writes has its copy of the write end: without ours, its end is seen as the end."""
        os.close(self.write_end)

    def to(self, path: Path, append: bool) -> None:
        """From now on write into `path`; what is in the pipe by now still goes to the file before."""
        self.settle()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._close()
            self._file = path.open("ab" if append else "wb", buffering=0)

    def settle(self, patience_s: float = 1.0) -> None:
        """Wait until the pipe is empty, at most `patience_s` seconds."""
        end = time.monotonic() + patience_s
        while self._thread.is_alive() and self._waiting() and time.monotonic() < end:
            time.sleep(0.005)

    def close(self) -> None:
        """Stop writing; a child that is still alive only fills a pipe that nobody keeps."""
        self.settle()
        with self._lock:
            self._close()

    def _waiting(self) -> int:
        try:
            return int(struct.unpack("i", fcntl.ioctl(self._read_end, termios.FIONREAD, b"\0" * 4))[0])
        except OSError:
            return 0

    def _close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _run(self) -> None:
        while chunk := os.read(self._read_end, 65536):
            with self._lock:
                if self._file:
                    self._file.write(chunk)
        os.close(self._read_end)
