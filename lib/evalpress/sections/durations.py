"""How long sections took when they were last measured, from their results files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.results import read_json
from evalpress.sections.registry import Section


def last_s(folder: Path, section: Section) -> float | None:
    """Seconds from start to end of the section's last measurement in this report; None where there is none."""
    try:
        origin = read_json(folder / "results" / f"{section.name}.json")["provenance"]
        taken = datetime.fromisoformat(origin["end"]) - datetime.fromisoformat(origin["start"])
    except (UserError, LookupError, TypeError, ValueError):
        return None
    return max(0.0, taken.total_seconds())
