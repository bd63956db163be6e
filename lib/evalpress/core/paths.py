"""Folders of the project, and paths relative to its root."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The project's folder (the package is used from `lib/` of a checkout)."""

PARAMS = ROOT / "params"
NOTEBOOKS = ROOT / "notebooks"
REPORTS = ROOT / "reports"


def _cache() -> Path:
    """`.cache` of the project; a folder of this user's own where that cannot be written (another user's checkout)."""
    own = ROOT / ".cache"
    if os.access(own if own.is_dir() else ROOT, os.W_OK | os.X_OK):
        return own
    for base in (os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME") and f"{os.environ['HOME']}/.cache"):
        if base and _can_be_made(Path(base)):
            return Path(base) / "evalpress"
    return Path(tempfile.gettempdir()) / f"evalpress-cache-{os.getuid()}"


def _can_be_made(folder: Path) -> bool:
    """Whether this user may write into the folder, or make it."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


CACHE = _cache()
"""Compile caches, cold starts, downloads, error.log."""


def resolve(path: str | Path) -> Path:
    """An absolute path as it is, any other one relative to the project root."""
    return ROOT / expanded(path)


def expanded(path: str | Path) -> Path:
    """`path` with the home folder in place of `~`; as it is where there is no such user, or none with a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def told(path: str | Path) -> str:
    """`path` as a message on the terminal names it: relative to the project or the working folder, or absolute."""
    absolute = Path(path).resolve()
    for folder in (ROOT, Path.cwd()):
        if absolute.is_relative_to(folder):
            return _printable(str(absolute.relative_to(folder)))
    return _printable(str(absolute))


def shown(path: str | Path) -> str:
    """`path` as a report may print it: relative to the project, or the bare name when it is outside."""
    absolute = Path(path).resolve()
    return _printable(str(absolute.relative_to(ROOT)) if absolute.is_relative_to(ROOT) else absolute.name)


def _printable(name: str) -> str:
    """A file's name in one line: a line break, a control character or a byte that is no text as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
