"""What of a set fits into `run.budget_minutes`: less of each section's work, by one factor, and what was left out.

The time that sections need comes from a pilot of the host (`pilot`), corrected by what the sections of this report took
that were measured before. Every section asks again when its turn comes, so that one that took longer than estimated
leaves less to those after it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.plain import Fields, Json
from evalpress.core.results import read_json
from evalpress.params.schema import Params
from evalpress.sections import durations, pilot
from evalpress.sections.fewer import Words
from evalpress.sections.registry import EXECUTION, Section, by_name, skip_reason

KEY = "run.budget_minutes"
_SCALED = tuple(section.name for section in EXECUTION if KEY in section.reads_if_set)
_UNKNOWN = "the time of this model cannot be estimated here: its files or its facts are not known"
_HALVINGS = 12
"""Steps of the search for the factor: to 1 part in 4,096."""
SHOWN_S = 4.0
"""Seconds of a section's tables and figures, which no section's measurement contains; the start and the end of a report
are two more of it."""
_RATIOS = (0.25, 8.0)
"""Limits of the correction by sections measured before; beyond them something else than the host differs."""


@dataclass(frozen=True)
class Plan:
    """The parameters that a section measures with, what was left out for the budget, and the pilot's estimate."""

    params: Params
    left_out: Words = ()
    pilot_s: float | None = None
    estimate_s: float | None = None
    """`pilot_s` corrected by what other sections took."""
    why: str | None = None
    """Why there is no estimate, and so nothing left out."""

    def record(self) -> Json:
        """What the provenance of a results file keeps of it."""
        told: Json = {"minutes": self.params.run.budget_minutes, "left_out": list(self.left_out), "why": self.why}
        return told | {"pilot_s": self.pilot_s, "estimate_s": self.estimate_s}


def plan(asked: Params, section: Section, folder: Path) -> Plan:
    """What this section measures, within what the sections before it left of the budget.

    Args:
        folder: the report's folder, whose results say how long those sections took.
    """
    known = _speed(asked, folder)
    if known is None or asked.run.budget_minutes is None:
        return Plan(asked, why=_UNKNOWN)
    at = EXECUTION.index(section)
    before, left = EXECUTION[:at], _measured(asked, EXECUTION[at:])
    spent = sum(durations.last_s(folder, one) or 0.0 for one in before) + SHOWN_S * (len(before) + 1)
    ratio = _ratio(asked, folder, before, known) or _ratio(asked, folder, EXECUTION, known) or 1.0
    return _fitted(asked, section, left, 60 * asked.run.budget_minutes - spent, ratio, known)


def plans(asked: Params, sections: Iterable[Section], folder: Path) -> dict[str, Plan]:
    """What every one of these sections would measure, were they all begun now; empty where no estimate is possible."""
    known = _speed(asked, folder)
    if known is None or asked.run.budget_minutes is None:
        return {}
    left = _measured(asked, sections)
    kept = sum(durations.last_s(folder, one) or 0.0 for one in _measured(asked, EXECUTION) if one not in left)
    ratio = _ratio(asked, folder, EXECUTION, known) or 1.0
    seconds = 60 * asked.run.budget_minutes - kept - SHOWN_S
    return {one.name: _fitted(asked, one, left, seconds, ratio, known) for one in left}


def _speed(asked: Params, folder: Path) -> pilot.Speed | None:
    """The pilot's, with how long starts take here where the setup section was measured."""
    known, took = pilot.speed(asked), durations.last_s(folder, by_name("setup"))
    return replace(known, starts=_within(took / pilot.SETUP_S)) if known and took else known


def _within(ratio: float) -> float:
    low, high = _RATIOS
    return min(high, max(low, ratio))


def _measured(asked: Params, sections: Iterable[Section]) -> list[Section]:
    return [one for one in sections if skip_reason(one, asked) is None]


def _fitted(
    asked: Params, section: Section, left: list[Section], seconds: float, ratio: float, known: pilot.Speed
) -> Plan:
    """The section's plan with the largest factor at which all sections that are left fit into the seconds.

    Args:
        ratio: seconds that sections take here per second of the pilot's estimate.
    """

    def needed(factor: float) -> float:
        less = scaled(asked, factor)[0]
        measured = ratio * sum(pilot.section_s(one.name, less, known) or 0.0 for one in left)
        return measured + SHOWN_S * (len(left) + 1)

    low, high = 0.0, 1.0
    if needed(1.0) <= seconds:
        low = 1.0
    else:
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if needed(middle) <= seconds else (low, middle)
    params, left_out = scaled(asked, low)
    pilot_s = pilot.section_s(section.name, params, known) or 0.0
    return Plan(params, left_out.get(section.name, ()), pilot_s, ratio * pilot_s)


def scaled(asked: Params, factor: float) -> tuple[Params, dict[str, Words]]:
    """The parameters with every section's work at about `factor` of its time, and what each leaves out."""
    changed: Fields = {}
    words: dict[str, Words] = {}
    for name in _SCALED:
        # Imported by name: what decides how much is measured within a budget is in the results, and no part of digests.
        section = importlib.import_module(f"evalpress.sections.{name}.budget")
        changed[name], words[name] = section.scaled(getattr(asked, name), factor)
    return asked.model_copy(update=changed), words


def _ratio(asked: Params, folder: Path, sections: Iterable[Section], known: pilot.Speed) -> float | None:
    """Seconds that these sections took over seconds of the pilot's estimate; None where none was measured."""
    took = estimated = 0.0
    for one in sections:
        seconds = durations.last_s(folder, one)
        if seconds is None or one.name not in _SCALED:
            continue
        recorded = _recorded(folder, one).get("pilot_s")
        if not isinstance(recorded, float):
            recorded = pilot.section_s(one.name, asked, known)
        if recorded:
            took, estimated = took + seconds, estimated + recorded
    return _within(took / estimated) if estimated else None


def _recorded(folder: Path, section: Section) -> Json:
    """What the section's last measurement recorded of its budget; empty where it had none."""
    try:
        return dict(read_json(folder / "results" / f"{section.name}.json")["provenance"]["budget"])
    except (UserError, LookupError, TypeError, ValueError):
        return {}
