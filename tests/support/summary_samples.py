"""A summary of one row, and the results of an earlier release."""

from __future__ import annotations

from evalpress.core.paths import ROOT
from evalpress.sections.summary.results import Summary


def summary_of(headline, row) -> Summary:
    """A summary with only a headline of one row."""
    return Summary.model_validate(
        {
            "schema": "evalpress/summary/1", "created": "2026-11-25T10:00:00Z", "set": "s", "title": "t",
            "description": "", "model": "m", "platform": "cpu", "device": "d", "verdict": "pass", "gates": [],
            "headline": headline | {"rows": [row]}, "sections": {}, "command": "make report",
        }
    )  # fmt: skip


PUBLISHED = ROOT / "tests" / "data" / "report-0.1.0" / "results"
