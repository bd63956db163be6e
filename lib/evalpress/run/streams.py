"""Inside the kernel: print to the process's own standard output and error, which are the notebook's log.

ipykernel's own stream sends every print to the notebook, captures file descriptors through a thread that a
crash outruns, and has no usable fileno(), which engines need.
"""

from __future__ import annotations

import sys
from typing import Any, TextIO


def plain(session: Any, thread: Any, name: str, **_: Any) -> TextIO:
    """Used in place of ipykernel's stream class (`IPKernelApp.outstream_class`)."""
    stream: TextIO | None = sys.__stdout__ if name == "stdout" else sys.__stderr__
    assert stream is not None
    return stream
