"""Where a number comes from: suite, commit, digests, host, versions, environment variables, seeds, times."""

from __future__ import annotations

import subprocess
from typing import Any

import evalpress
from evalpress import platforms
from evalpress.core.paths import ROOT
from evalpress.params.schema import Params
from evalpress.platforms import versions


def git_state() -> dict[str, Any]:
    """Commit and dirty flag of the checkout; null with why outside a git checkout."""
    try:
        commit = _git("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        why = "not a git checkout"
        return {"commit": None, "commit_why": why, "dirty": None, "dirty_why": why}


def _git(*args: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def collect(params: Params, digests: dict[str, str], start: str, end: str) -> dict[str, Any]:
    """The `provenance` block of a results file."""
    host = platforms.probe(params.platform.backend, params.engine.env)
    return {
        "suite_version": evalpress.__version__,
        "git": git_state(),
        "digests": digests,
        "set": params.set,
        "host": host["host"],
        "platform": params.platform.backend,
        "device": host["device"],
        "versions": versions.installed_versions(),
        "environment": host["environment"],
        "seeds": {"engine": params.engine.seed},
        "start": start,
        "end": end,
    }
