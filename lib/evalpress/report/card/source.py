"""What a card is made from: the results of a finished report, as JSON, validated on the way in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import told
from evalpress.sections.job import read_results
from evalpress.sections.registry import SECTIONS


@dataclass(frozen=True)
class Source:
    """`sections`: `data` of each section with results; `documents`: the whole files; `summary`: summary.json."""

    folder: Path
    summary: dict[str, Any]
    documents: dict[str, dict[str, Any]]

    def data(self, section: str) -> dict[str, Any] | None:
        """A section's data, None where it has no results."""
        found = self.documents.get(section)
        return None if found is None else found["data"]

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the numbers come from, of the setup section."""
        found: dict[str, Any] = self.documents["setup"]["provenance"]
        return found


def read(folder: Path) -> Source:
    """The results under a report's folder.

    Raises:
        UserError: the report is not finished, or a file is unusable.
    """
    documents = {}
    for section in SECTIONS:
        path = folder / "results" / f"{section.name}.json"
        if path.is_file():
            documents[section.name] = read_results(path, section.name).model_dump(mode="json", by_alias=True)
    path = folder / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        summary = None
    if not isinstance(summary, dict) or "setup" not in documents:
        raise UserError(f"{told(folder)}: no finished report to make a card from; make one with `make report`")
    return Source(folder, summary, documents)
