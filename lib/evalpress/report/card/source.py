"""What a card is made from: the results of a finished report, validated on the way in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import told
from evalpress.core.plain import Json
from evalpress.core.results import Document
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.job import read_results
from evalpress.sections.loading import Report
from evalpress.sections.quality.results import Results as Quality
from evalpress.sections.serving.results import Results as Serving
from evalpress.sections.setup.results import Results as Setup
from evalpress.sections.summary.results import Summary


@dataclass(frozen=True)
class Source:
    """The summary and the results file of each section; None for a section without results."""

    folder: Path
    summary: Summary
    setup: Document[Setup]
    benchmark: Document[Benchmark] | None = None
    serving: Document[Serving] | None = None
    evidence: Document[Evidence] | None = None
    alignment: Document[Alignment] | None = None
    quality: Document[Quality] | None = None

    @property
    def provenance(self) -> Json:
        """Where the numbers come from, of the setup section."""
        return self.setup.provenance

    @property
    def engine(self) -> Json:
        """The parameters of the engine, as the setup section recorded them."""
        found: Json = self.setup.params["engine"]
        return found

    @property
    def device(self) -> str | None:
        """The device's name; None where none was recorded."""
        name = (self.provenance["device"] or {}).get("name")
        return str(name) if name else None


def read(folder: Path) -> Source:
    """The results under a report's folder.

    Raises:
        UserError: the report is not finished, or a file is unusable.
    """
    setup = _document(folder, "setup")
    if setup is None or not (folder / "summary.json").is_file():
        raise UserError(f"{told(folder)}: no finished report to make a card from; make one with `make report`")
    return Source(
        folder,
        Report(folder.name, folder).summary,
        setup,
        benchmark=_document(folder, "benchmark"),
        serving=_document(folder, "serving"),
        evidence=_document(folder, "evidence"),
        alignment=_document(folder, "alignment"),
        quality=_document(folder, "quality"),
    )


def _document(folder: Path, section: str) -> Document[Any] | None:
    path = folder / "results" / f"{section}.json"
    return read_results(path, section) if path.is_file() else None
