"""A copy of a section's results while new ones are being measured, and what becomes of both.

Raw observations are written during a measurement and results at its end. The copy makes sure that an
interrupted run leaves the old pair or the new pair, never one half of each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

_Transfer = Callable[[Path, Path], object]


def put(folder: Path, section: str) -> None:
    """Copy the section's results and raw observations aside; the measurement may still read them in their place."""
    drop(folder, section)
    _kept(folder, section).mkdir(parents=True)
    _transfer(folder / "results", section, _kept(folder, section), shutil.copy2)


def renewed(folder: Path, section: str) -> bool:
    """Whether results were written since `put`."""
    new, old = (place / f"{section}.json" for place in (folder / "results", _kept(folder, section)))
    return new.is_file() and not (old.is_file() and old.stat().st_mtime_ns == new.stat().st_mtime_ns)


def recover(folder: Path, section: str) -> None:
    """After an interrupted run: keep new results where they were completed, else go back to the old ones."""
    if not _kept(folder, section).is_dir():
        return
    if not renewed(folder, section):
        for path in _files(folder / "results", section):
            path.unlink()
        _transfer(_kept(folder, section), section, folder / "results", Path.replace)
    drop(folder, section)


def drop(folder: Path, section: str) -> None:
    """The new results are complete."""
    shutil.rmtree(_kept(folder, section), ignore_errors=True)
    if (folder / ".aside").is_dir() and not any((folder / ".aside").iterdir()):
        (folder / ".aside").rmdir()


def fail(folder: Path, section: str) -> None:
    """Nothing of a failed measurement counts, nor do the stale results before it: both are kept under `failed/`."""
    if not renewed(folder, section):
        (folder / "results" / f"{section}.json").unlink(missing_ok=True)  # the old ones, of which we have the copy
    _transfer(folder / "results", section, folder / "failed", Path.replace)
    _transfer(_kept(folder, section), section, folder / "failed" / "before", Path.replace)
    drop(folder, section)


def _kept(folder: Path, section: str) -> Path:
    return folder / ".aside" / section


def _files(results: Path, section: str) -> list[Path]:
    return [*results.glob(f"{section}.json"), *results.glob(f"raw/{section}-*")]


def _transfer(source: Path, section: str, target: Path, how: _Transfer) -> None:
    for path in _files(source, section):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        how(path, place)
