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

from evalpress.core import secrets
from evalpress.run.terminal import say


class LogPump:
    """A pipe for file descriptors 1 and 2 of a process tree, emptied by a thread into the current log file.

    The pipe is emptied even if the file cannot be written: a process that prints into a full pipe waits.
    A file that cannot be written is reported once. Secrets are hidden before anything reaches the file.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._held = b""
        self._told = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def started(self) -> None:
        """The process that writes has its copy of the write end: without ours, its end is seen as the end."""
        os.close(self.write_end)

    def to(self, path: Path, append: bool) -> None:
        """From now on write into `path`; what is in the pipe by now still goes to the file before."""
        self.settle()
        with self._lock:
            self._close()
            self._path = path
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("ab" if append else "wb", buffering=0)
            except OSError as error:
                self._lost(error)

    def settle(self, patience_s: float = 1.0) -> None:
        """Wait until the pipe is empty, at most `patience_s` seconds."""
        end = time.monotonic() + patience_s
        while self._thread.is_alive() and self._waiting() and time.monotonic() < end:
            time.sleep(0.005)

    def close(self) -> None:
        """Stop writing; what a child that is still alive prints later is discarded."""
        self.settle()
        with self._lock:
            self._close()

    def _waiting(self) -> int:
        try:
            return int(struct.unpack("i", fcntl.ioctl(self._read_end, termios.FIONREAD, b"\0" * 4))[0])
        except OSError:
            return 0

    def _close(self) -> None:
        self._write(self._held, whole=True)
        self._held = b""
        if self._file:
            self._file.close()
            self._file = None

    def _run(self) -> None:
        while chunk := os.read(self._read_end, 65536):
            with self._lock:
                self._write(self._held + chunk, whole=False)
        with self._lock:
            self._close()
        os.close(self._read_end)

    def _write(self, data: bytes, whole: bool) -> None:
        """Write `data`; unless it is the whole, its end is held back where it may be the start of a secret."""
        keep = 0 if whole else max(0, secrets.longest() - 1)
        if keep:
            data = secrets.scrub_bytes(data)
            end = max(data.rfind(b"\n") + 1, len(data) - keep)
            data, self._held = data[:end], data[end:]
        else:
            data, self._held = secrets.scrub_bytes(data), b""
        if self._file and data:
            try:
                self._file.write(data)
            except OSError as error:
                self._lost(error)

    def _lost(self, error: OSError) -> None:
        """Go on without the file."""
        if self._file:
            self._file.close()
            self._file = None
        if not self._told and self._path:
            self._told = True
            say(f"  {self._path.name}: log not written: {error.strerror or error}; the run goes on")
