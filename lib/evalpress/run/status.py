"""What is current in a report, what is stale and why. Measures nothing and imports no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalpress import params as params_room
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.core.plain import Json
from evalpress.params import Params
from evalpress.sections import backup, states
from evalpress.sections.job import Job
from evalpress.sections.registry import SECTIONS, Section, skip_reason

State = Literal["current", "stale", "missing", "skipped", "failed"]


@dataclass(frozen=True)
class SectionStatus:
    """One section: its state, and one reason per line (file, parameter, module, version or device that differs)."""

    section: str
    state: State
    why: tuple[str, ...] = ()

    def as_dict(self) -> Json:
        return {"section": self.section, "state": self.state, "why": list(self.why)}


def of(set_name: str, reports_dir: str = "reports", overrides: Mapping[str, Any] | None = None) -> list[SectionStatus]:
    """The state of every section of a set's report, in the report's order.

    Args:
        overrides: parameters by dotted key, in place of those of the file.

    Raises:
        UserError: unusable parameters.
    """
    params = params_room.load(set_name, overrides)
    folder = resolve(reports_dir) / params.set
    recorded = states.read(folder)
    return [_of_section(section, params, folder, recorded.get(section.name)) for section in SECTIONS]


def _of_section(section: Section, params: Params, folder: Path, recorded: states.SectionState | None) -> SectionStatus:
    if reason := skip_reason(section, params):
        return SectionStatus(section.name, "skipped", (reason,))
    job = Job(section, params, folder, "never")
    if recorded is not None and recorded.status == "failed":
        return SectionStatus(section.name, "failed", (recorded.why or "no reason was recorded",))
    if backup.exists(folder, section.name):
        return SectionStatus(section.name, "stale", ("a measurement is under way or was interrupted",))
    if not job.result_path.is_file():
        return SectionStatus(section.name, "missing", (f"{shown(job.result_path)}: file not found",))
    try:
        reasons = tuple(job.why_stale())
    except (UserError, OSError) as error:
        reasons = (str(error),)
    return SectionStatus(section.name, "stale" if reasons else "current", reasons)
