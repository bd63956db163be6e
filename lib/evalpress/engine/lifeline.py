"""Ends a server when the process that started it is gone, even by SIGKILL, which no handler sees.

Run as a program with the server's process group as its argument; needs nothing but Python. Standard input is a pipe
whose other end the starting process holds: it ends when that process does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

_PATIENCE_S = 10.0


def tied(group: int) -> subprocess.Popen[bytes]:
    """Start the program for a process group; `cut` ends it where the group is ended in another way."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def cut(program: subprocess.Popen[bytes]) -> None:
    """End the program itself; the group lives on."""
    program.kill()
    program.wait()
    if program.stdin is not None:
        program.stdin.close()


def _end(group: int) -> None:
    """SIGTERM, then SIGKILL where a process of the group is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            time.sleep(0.1)
            os.killpg(group, 0)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    _end(int(sys.argv[1]))
