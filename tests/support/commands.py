"""The command line as a user runs it, and its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from evalpress.core.paths import ROOT

START = dict(os.environ)
"""The environment before any test imported vLLM, which changes it for its process and all children."""


@dataclass(frozen=True)
class Report:
    """A finished report and what the command printed."""

    reports_dir: Path
    folder: Path
    stdout: str
    returncode: int


def evalpress(*arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """The command line, run as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "evalpress", *arguments],
        cwd=ROOT,
        env=START,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
