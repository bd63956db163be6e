"""One finished run: its results, validated, and its blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.core.results import Document
from evalpress.sections.job import read_raw, read_results
from evalpress.sections.registry import SECTIONS


@dataclass(frozen=True)
class Run:
    """A report's folder and what stands in it; a section without results is absent."""

    folder: Path
    sections: dict[str, Document[Any]] = field(default_factory=dict)

    @property
    def provenance(self) -> dict[str, Any]:
        """Of the section that was measured first."""
        return next(iter(self.sections.values())).provenance

    def plain(self, section: str) -> dict[str, Any]:
        """A section's data under the keys of its results file."""
        found: dict[str, Any] = self.sections[section].model_dump(mode="json", by_alias=True)["data"]
        return found

    def blocks(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Workload -> mode -> blocks, as the benchmark observed them."""
        return dict(read_raw(self.folder, "benchmark", "blocks"))


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
