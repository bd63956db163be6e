"""A section's results while new ones are being measured, and after that failed.

Raw observations are written during a measurement and results at its end. The old ones are set aside first, so
that an interrupted run leaves the old pair or the new pair, never one half of each.
"""

from __future__ import annotations

import shutil
from pathlib import Path


def put(folder: Path, section: str) -> None:
    """Set the section's results and raw observations aside."""
    _move(folder / "results", section, folder / ".aside" / section)


def recover(folder: Path, section: str) -> None:
    """After an interrupted run: keep new results where they were completed, else take the old ones back."""
    kept = folder / ".aside" / section
    if not kept.is_dir():
        return
    if not (folder / "results" / f"{section}.json").is_file():
        for path in _files(folder / "results", section):
            path.unlink()
        _move(kept, section, folder / "results")
    drop(folder, section)


def drop(folder: Path, section: str) -> None:
    """The new results are complete."""
    shutil.rmtree(folder / ".aside" / section, ignore_errors=True)
    if (folder / ".aside").is_dir() and not any((folder / ".aside").iterdir()):
        (folder / ".aside").rmdir()


def fail(folder: Path, section: str) -> None:
    """Nothing of a failed measurement counts, nor do the stale results before it: both are kept under `failed/`."""
    _move(folder / "results", section, folder / "failed")
    _move(folder / ".aside" / section, section, folder / "failed" / "before")
    drop(folder, section)


def _files(results: Path, section: str) -> list[Path]:
    return [*results.glob(f"{section}.json"), *results.glob(f"raw/{section}-*")]


def _move(source: Path, section: str, target: Path) -> None:
    for path in _files(source, section):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
