"""Asking the host's own tools, which may be missing, slow or broken."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

TIMEOUT_S = 20.0


def output(argv: Sequence[str]) -> str | None:
    """What `argv` prints, or None where the program is missing, fails or does not answer in time."""
    if shutil.which(argv[0]) is None:
        return None
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
