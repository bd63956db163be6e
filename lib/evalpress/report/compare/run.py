"""One finished run: its results, validated, and its blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.core.results import Document
from evalpress.core.validation import mistakes
from evalpress.sections.benchmark.observations import Block, Blocks, typed
from evalpress.sections.job import read_raw, read_results
from evalpress.sections.registry import SECTIONS


@dataclass(frozen=True)
class Run:
    """A report's folder and its results; a section without results is absent."""

    folder: Path
    sections: dict[str, Document[Any]] = field(default_factory=dict)

    @property
    def provenance(self) -> dict[str, Any]:
        """Of the section that was measured first."""
        return next(iter(self.sections.values())).provenance

    def blocks(self) -> Blocks:
        """Workload -> mode -> blocks, as the benchmark observed them.

        Raises:
            UserError: the file of raw observations is missing or of another form.
        """
        try:
            return typed(read_raw(self.folder, "benchmark", "blocks"))
        except ValidationError as error:
            file = shown(self.folder / "results" / "raw" / "benchmark-blocks.json")
            raise UserError(mistakes(error, Block, lambda _: file)[0]) from None


def load(given: str, reports_dir: str = "reports") -> Run:
    """A run by the name of its set, or by its folder (the report's, or its `results`).

    Raises:
        UserError: there are no results, or a file is unusable.
    """
    folder = _folder(given, reports_dir)
    found = {
        section.name: read_results(folder / "results" / f"{section.name}.json", section.name)
        for section in SECTIONS
        if (folder / "results" / f"{section.name}.json").is_file()
    }
    if not found:
        raise UserError(f"{shown(folder)}: no results to compare; name a set with a finished report, or its folder")
    return Run(folder, found)


def _folder(given: str, reports_dir: str) -> Path:
    for path in (Path(given).expanduser(), resolve(reports_dir) / given, resolve(reports_dir) / "published" / given):
        if path.name == "results" and path.is_dir():
            return path.parent.absolute()
        if (path / "results").is_dir():
            return path.absolute()
    where = f"{shown(resolve(reports_dir))}, {shown(resolve(reports_dir) / 'published')}"
    raise UserError(f"{given!r}: no folder with results, and no report of a set of that name in {where}")
