"""What a measurement is doing right now, for the one line that the terminal shows per notebook."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

_begun: list[tuple[float, str]] = []
"""When each step of this process's current measurement began (monotonic seconds), and its text."""


def step(text: str) -> None:
    """Say the current step: into the file that EVALPRESS_PROGRESS names, or printed in a notebook opened by hand."""
    _begun.append((time.monotonic(), text))
    target = os.environ.get("EVALPRESS_PROGRESS")
    if target:
        with contextlib.suppress(OSError):  # a full disk must not end a measurement
            Path(target).write_text(text, encoding="utf-8", errors="backslashreplace")
    else:
        print(text)


def forget() -> None:
    """Begin a measurement: `durations` counts from here."""
    _begun[:] = [(time.monotonic(), "before the first step")]


def durations() -> dict[str, float]:
    """Seconds by step since `forget`, in the order of first appearance.

    Steps whose texts differ in numbers only are added up under one text: `block 3 of 6: workload decode` counts under
    `block … of …: workload decode`.
    """
    found: dict[str, float] = {}
    ends = [begun for begun, _ in _begun[1:]] + [time.monotonic()]
    for (begun, text), end in zip(_begun, ends, strict=True):
        label = re.sub(r"\b\d+\b", "…", text)
        found[label] = found.get(label, 0.0) + end - begun
    return found
