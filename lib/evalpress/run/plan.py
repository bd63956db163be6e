"""What has to be done for each section of a report, and why other work is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalpress.params import Params
from evalpress.run import staleness
from evalpress.sections import durations
from evalpress.sections.job import Job, Measure
from evalpress.sections.registry import Section, skip_reason

Todo = Literal["nothing", "measure", "show", "skip", "missing"]


@dataclass(frozen=True)
class Step:
    """One section's part: `todo`, and `why` for skip and missing."""

    section: Section
    todo: Todo
    why: str = ""

    @property
    def appends(self) -> bool:
        """Whether the log of the measurement is kept: its results are only shown again."""
        return self.todo == "show"


@dataclass(frozen=True)
class Report:
    """One report to be made. `inputs` holds each section's `staleness.inputs_digest` as it was at the start."""

    set_name: str
    reports_dir: str
    params: Params
    folder: Path
    inputs: dict[str, str]
    only_render: bool = False
    force: bool = False

    def executed(self, section: Section) -> Path:
        return self.folder / "notebooks" / f"{section.notebook}.ipynb"

    def log(self, section: Section) -> Path:
        return self.folder / "logs" / f"{section.notebook}.log"

    def job(self, section: Section) -> Job:
        return Job(section, self.params, self.folder, "auto")

    def took_s(self, step: Step) -> float | None:
        """Seconds that the section's last measurement took; None where there was none, or nothing is measured."""
        return durations.last_s(self.folder, step.section) if step.todo == "measure" else None

    def measure(self, step: Step) -> Measure:
        """The notebook's parameter of that name."""
        if step.todo == "show":
            return "never"
        return "always" if self.force else "auto"

    def digest(self, section: Section) -> str:
        """What the executed notebook is stamped with: results as they are now, all else as it was at the start.

        A file edited during the run is thus stale in the next one, whether or not the kernel had loaded it.
        """
        return staleness.display_digest(self.inputs[section.name], section, self.folder)

    def is_shown(self, section: Section) -> bool:
        """Whether the executed notebook shows what it would show today."""
        return staleness.executed_digest(self.executed(section)) == self.digest(section)


def step(report: Report, section: Section, before: dict[str, str]) -> Step:
    """What is to be done for a section.

    Args:
        before: why sections failed in the last run, for a report that is only rendered.
    """
    why = skip_reason(section, report.params)
    if why:
        return Step(section, "skip", why)
    job = report.job(section)
    if report.only_render and (section.name in before or not job.result_path.is_file()):
        return Step(section, "missing", before.get(section.name, "not measured yet"))
    if not report.only_render and (report.force or not job.is_current()):
        return Step(section, "measure")
    return Step(section, "nothing" if report.is_shown(section) else "show")
