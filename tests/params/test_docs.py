"""docs/parameters.md is what the schema says."""

from __future__ import annotations

import subprocess
import sys

from evalpress.core.paths import ROOT


def test_the_page_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/params_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
