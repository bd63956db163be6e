"""What a run of a report would do and how long it would take, without running anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evalpress.core.plain import Json
from evalpress.run import plan
from evalpress.run.plan import Report
from evalpress.sections import budget, durations, pilot
from evalpress.sections.registry import EXECUTION


@dataclass(frozen=True)
class Row:
    """One section of an estimate; `seconds` is None where no estimate is possible."""

    section: str
    todo: str
    why: tuple[str, ...]
    seconds: float | None
    from_pilot: bool = False
    """Whether the time comes from a pilot of the host; else it is that of the section's last run."""
    left_out: tuple[str, ...] = ()
    """What `run.budget_minutes` leaves out."""

    def as_dict(self) -> Json:
        row: Json = {"section": self.section, "todo": self.todo, "why": list(self.why)}
        row["minutes"] = None if self.seconds is None else round(self.seconds / 60, 2)
        if self.seconds is None:
            row["minutes_why"] = "never measured in this report, and no pilot: the model is not there, or not known"
        return row | {"from": "pilot" if self.from_pilot else "last run", "left_out": list(self.left_out)}


_TODO = {"nothing": "current", "show": "show again", "measure": "measure", "skip": "skip", "missing": "missing"}


def rows(asked: Report) -> list[Row]:
    """What a run of this report would do, in the order of measuring."""
    found = []
    for section in EXECUTION:
        step = plan.step(asked, section, {})
        if step.todo != "measure":
            seconds = {"show": budget.SHOWN_S}.get(step.todo, 0.0)
            found.append(Row(section.name, _TODO[step.todo], (step.why,) if step.why else (), seconds))
            continue
        job = asked.job(section)
        why = ("asked for by --force",) if asked.force else tuple(job.why_stale())
        found.append(Row(section.name, "measure", why, durations.last_s(asked.folder, section)))
    if asked.params.run.budget_minutes is not None:
        found = _within_budget(asked, found)
    return _with_pilot(asked, found) if any(row.seconds is None for row in found) else found


def _within_budget(asked: Report, rows: list[Row]) -> list[Row]:
    """The same rows, those that would be measured with what they would leave out for the budget."""
    names = {row.section for row in rows if row.todo == "measure"}
    wanted = [section for section in EXECUTION if section.name in names]
    fitted = budget.plans(asked.params, wanted, asked.folder)
    return [
        replace(row, seconds=fits.estimate_s, from_pilot=True, left_out=fits.left_out)
        if (fits := fitted.get(row.section))
        else row
        for row in rows
    ]


def _with_pilot(asked: Report, rows: list[Row]) -> list[Row]:
    """The same rows, those without a time from a pilot."""
    known = pilot.speed(asked.params)
    if known is None:
        return rows
    return [
        row
        if row.seconds is not None
        else replace(row, seconds=pilot.section_s(row.section, asked.params, known), from_pilot=True)
        for row in rows
    ]


def total_s(found: list[Row]) -> float | None:
    """Seconds of all rows with their tables and figures, the start and the end; None where one is not known."""
    known = [row.seconds for row in found if row.seconds is not None]
    measured = sum(row.todo == "measure" for row in found)
    around = budget.SHOWN_S * (measured + 2) if any(known) else 0.0
    return sum(known) + around if len(known) == len(found) else None
