"""A copy of a section's results while new ones are being measured; then one of the two is kept.

Raw observations are written during a measurement and results at its end. The copy makes sure that a run that ends early
leaves the old pair or the new pair, never one half of each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import shown

_Transfer = Callable[[Path, Path], object]


def save(folder: Path, section: str) -> None:
    """Copy the section's results and raw observations; the measurement may still read them in their place.

    Raises:
        MeasurementError: there is no room for the copy; nothing has changed.
    """
    discard(folder, section)
    try:
        _place(folder, section).mkdir(parents=True)
        _transfer(folder / "results", section, _place(folder, section), shutil.copy2)
    except OSError as error:
        discard(folder, section)
        raise MeasurementError(f"{shown(folder)}: old results cannot be copied: {error.strerror or error}") from None


def exists(folder: Path, section: str) -> bool:
    """Whether a measurement is under way or ended early."""
    return _place(folder, section).is_dir()


def renewed(folder: Path, section: str) -> bool:
    """Whether results were written since `save`."""
    new, old = (place / f"{section}.json" for place in (folder / "results", _place(folder, section)))
    if not new.is_file() or not old.is_file():
        return new.is_file()
    return new.stat().st_mtime_ns != old.stat().st_mtime_ns or new.read_bytes() != old.read_bytes()


def recover(folder: Path, section: str) -> None:
    """After an interrupted run: keep new results where they were completed, else go back to the old ones."""
    if not exists(folder, section):
        return
    if not renewed(folder, section):
        _restore(folder, section)
    discard(folder, section)


def discard(folder: Path, section: str) -> None:
    """The new results are complete: remove the copy."""
    shutil.rmtree(_place(folder, section), ignore_errors=True)
    if (folder / ".aside").is_dir() and not any((folder / ".aside").iterdir()):
        (folder / ".aside").rmdir()


def archive(folder: Path, section: str) -> None:
    """After a failed measurement: move its files to `failed/` and put the old results back."""
    if not exists(folder, section):
        return
    if not renewed(folder, section):
        (folder / "results" / f"{section}.json").unlink(missing_ok=True)  # the old ones, of which there is the copy
    for path in _files(folder / "failed", section):
        path.unlink()
    _transfer(folder / "results", section, folder / "failed", Path.replace)
    _restore(folder, section)
    discard(folder, section)


def _restore(folder: Path, section: str) -> None:
    for path in _files(folder / "results", section):
        path.unlink()
    _transfer(_place(folder, section), section, folder / "results", Path.replace)


def _place(folder: Path, section: str) -> Path:
    return folder / ".aside" / section


def _files(results: Path, section: str) -> list[Path]:
    return [*results.glob(f"{section}.json"), *results.glob(f"raw/{section}-*")]


def _transfer(source: Path, section: str, target: Path, how: _Transfer) -> None:
    for path in _files(source, section):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        how(path, place)
