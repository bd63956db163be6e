"""Output of the host's own tools, which may be missing, slow or broken; they are run with an English locale."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

TIMEOUT_S = 20.0


def output(argv: Sequence[str]) -> str | None:
    """What `argv` prints in English, or None where the program is missing, fails or does not answer in time."""
    done = _run(argv)
    return None if done is None or done.returncode != 0 else done.stdout


def answer(argv: Sequence[str]) -> str | None:
    """What `argv` prints in English on both channels, also where it fails; None where it is missing or hangs."""
    done = _run(argv)
    return None if done is None else done.stdout + done.stderr


def _run(argv: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    if shutil.which(argv[0]) is None:
        return None
    english = os.environ | {"LC_ALL": "C", "LANGUAGE": "C"}
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, env=english, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
