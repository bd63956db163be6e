"""Where things lie: the project root and paths relative to it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The project's folder (the package is used from `lib/` of a checkout)."""

PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"
REPORTS = ROOT / "reports"
CACHE = ROOT / ".cache"


def resolve(path: str | Path) -> Path:
    """An absolute path as it is, any other one relative to the project root."""
    return ROOT / Path(path).expanduser()


def shown(path: str | Path) -> str:
    """`path` as a report may print it: relative to the project, or the bare name when it lies outside."""
    absolute = Path(path).resolve()
    return str(absolute.relative_to(ROOT)) if absolute.is_relative_to(ROOT) else absolute.name
