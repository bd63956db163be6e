"""The command line as a user runs it, and its environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from evalpress.core.paths import ROOT

START = dict(os.environ)
"""The environment before any test imported vLLM, which changes it for its process and all children."""


SHORT = {
    "benchmark.blocks": 3,
    "benchmark.scaling.batch_sizes": [1, 8],
    "benchmark.scaling.prompt_lens": [64, 256],
    "serving.concurrency": [1, 8],
    "serving.rate_shares": [0.5],
    "evidence.check_tokens": 200,
    "alignment.max_position": 192,  # longer than a block of the prefix cache
    "alignment.vllm_positions": 8,
    "alignment.decode_tokens": 16,
}
"""The demo set with fewer repetitions: every section, engine mode, server, check and figure stays."""
GIVEN = [word for key, value in SHORT.items() for word in ("--param", f"{key}={json.dumps(value)}")]
"""The same for the command line."""


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
