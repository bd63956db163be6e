"""One run of a report, under its lock: measure what is stale, show what changed, render, print the outcome."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.paths import NOTEBOOKS, ROOT
from evalpress.core.plain import Json
from evalpress.core.results import read_json
from evalpress.launch import environment
from evalpress.model import chat
from evalpress.run import plan, staleness
from evalpress.run.plan import Report, Step
from evalpress.run.signals import raise_if_heard
from evalpress.run.terminal import row, say
from evalpress.sections import backup, states
from evalpress.sections.registry import EXECUTION, SECTIONS, SUMMARY, Section, by_name
from evalpress.sections.states import SectionState

DONE, FAILED = 0, 1
_AHEAD = "__import__('importlib').import_module('evalpress.sections.serving.servers').start_ahead({!r}, {!r}, {!r})"


def notebook_parameters(set_name: str, reports_dir: str, measure: str, overrides: Mapping[str, Any]) -> Json:
    """What every notebook's parameters cell is given; `overrides` only where there are some."""
    given: Json = {"set_name": set_name, "reports_dir": reports_dir, "measure": measure}
    return given | {"overrides": dict(overrides)} if overrides else given


class ReportRun:
    """One `report` or `render` call; the caller holds the lock."""

    def __init__(self, asked: Report) -> None:
        self.asked = asked
        self.failures: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self.not_shown: dict[str, str] = {}
        self._kernel: Any = None
        self._ahead = self._serves = False
        self._unaskable: str | None = None
        self._stack = contextlib.ExitStack()
        self._told: list[tuple[str, str, str]] | None = []

    def make(self) -> int:
        """Run everything; returns the exit status."""
        before = {n: s.why or "failed" for n, s in states.read(self.asked.folder).items() if s.status == "failed"}
        for section in EXECUTION:
            backup.recover(self.asked.folder, section.name)
        self._serves = plan.step(self.asked, by_name("serving"), before).todo == "measure"
        self._unaskable = self._told_unaskable(before)
        with self._stack:
            for section, after in zip(EXECUTION, (*EXECUTION[1:], None), strict=True):
                step = plan.step(self.asked, section, before)
                if self._is_untimed(step):
                    self._start_ahead()
                beside = after is not None and self._is_untimed(plan.step(self.asked, after, before))
                self._section(step, self._start_ahead if beside else None)
            states.write(self.asked.folder, {section.name: self._state(section) for section in SECTIONS})
            self._summary()
        rendered = self._render()
        return self._verdict(self._told is None or rendered)

    def _told_unaskable(self, before: dict[str, str]) -> str | None:
        """Why prompts cannot be rendered for the model, reported before anything is measured; other sections go on."""
        names = [one.name for one in EXECUTION if one.asks and plan.step(self.asked, one, before).todo == "measure"]
        why = chat.problem(self.asked.params) if names else None
        if why is not None:
            say(f"evalpress: {why}; not measured: {', '.join(names)}")
        return why

    def _is_untimed(self, step: Step) -> bool:
        return step.todo == "measure" and not step.section.timed

    def _start_ahead(self) -> None:
        """Let serving's servers start beside sections that are not timed, and beside the figures before them."""
        if self._serves and not self._ahead and self._kernel is not None:
            self._ahead = True
            self._kernel.quietly(
                _AHEAD.format(self.asked.set_name, self.asked.reports_dir, self.asked.params.overrides)
            )

    def _section(self, step: Step, measured: Callable[[], None] | None) -> None:
        section = step.section
        if step.todo == "nothing":
            self._tell(section.notebook, "up to date", "")
        elif step.todo in ("skip", "missing"):
            self.asked.executed(section).unlink(missing_ok=True)
            (self.skipped if step.todo == "skip" else self.failures)[section.name] = step.why
            self._tell(section.notebook, "skipped" if step.todo == "skip" else "no results", step.why)
        elif step.todo == "show":
            self._run(step)
        else:
            self._measure(step, measured)

    def _measure(self, step: Step, measured: Callable[[], None] | None) -> None:
        section, folder = step.section, self.asked.folder
        try:
            backup.save(folder, section.name)
        except MeasurementError as error:
            self._fail(section, str(error))
            return
        try:
            if section.asks and self._unaskable is not None:
                self.asked.executed(section).unlink(missing_ok=True)
                self._fail(section, self._unaskable)
            else:
                self._run(step, measured)
            raise_if_heard()  # caught where it was raised, an interrupt looks like a notebook that failed
        except BaseException:
            self._stack.close()  # no kernel that may still be writing when the old results are put back
            backup.recover(folder, section.name)
            raise
        (backup.archive if section.name in self.failures else backup.discard)(folder, section.name)

    def _fail(self, section: Section, why: str) -> None:
        """A section whose notebook is not even started."""
        self.failures[section.name] = why
        self._tell(section.notebook, "failed", why)

    def _run(self, step: Step, measured: Callable[[], None] | None = None) -> None:
        """Run one notebook and record its outcome; `measured` is called when its results are there."""
        if self._told is not None:
            told, self._told = self._told, None
            for line in told:
                row(*line)
        if self._kernel is None:
            self._kernel = self._stack.enter_context(self._started_kernel(step))
        # What takes a second to import is imported while the kernel takes longer to start.
        from evalpress import report  # noqa: F401
        from evalpress.run import execution

        asked = self.asked
        given = notebook_parameters(asked.set_name, asked.reports_dir, asked.measure(step), asked.params.overrides)
        outcome = execution.run(self.asked, step, self._kernel, given, measured)
        if outcome.failed is not None:
            self.failures[step.section.name] = outcome.failed
        elif outcome.not_shown is not None:
            self.not_shown[step.section.name] = outcome.not_shown

    def _started_kernel(self, step: Step) -> Any:
        from evalpress.run.kernel import SharedKernel

        env = environment.engine_env(self.asked.params) | environment.preload_env(self.asked.params)
        kernel = SharedKernel(self.asked.folder, NOTEBOOKS, env)
        with contextlib.suppress(RuntimeError):  # reported when the first notebook tries again
            kernel.start(self.asked.log(step.section), step.appends)
        return kernel

    def _tell(self, name: str, outcome: str, detail: str) -> None:
        """Lines of notebooks that need no run are held back until something does: no work, one line."""
        if self._told is None:
            row(name, outcome, detail)
        else:
            self._told.append((name, outcome, detail))

    def _summary(self) -> None:
        there = (self.asked.folder / "summary.json").is_file()
        if there and self.asked.is_shown(SUMMARY):
            self._tell(SUMMARY.notebook, "up to date", "")
            return
        (self.asked.folder / "summary.json").unlink(missing_ok=True)  # no old verdict beside a failed summary
        self._run(Step(SUMMARY, "measure"))

    def _state(self, section: Section) -> SectionState:
        if section.name in self.failures:
            return SectionState(status="failed", why=self.failures[section.name])
        if section.name in self.skipped:
            return SectionState(status="skipped", why=self.skipped[section.name])
        return SectionState(status="done", not_shown=self.not_shown.get(section.name))

    def _render(self) -> bool:
        """Render unless the report there was made from exactly this; returns whether it did."""
        folder, title = self.asked.folder, self.asked.params.title
        failures, skipped = _by_notebook(self.failures), _by_notebook(self.skipped)
        languages = self.asked.params.report.order
        digest = staleness.render_digest(folder, title, failures, skipped, languages)
        if staleness.is_rendered(folder, digest):
            return False
        from evalpress import report as report_room

        try:
            report_room.render(folder, title, failures=failures, skipped=skipped, languages=languages)
        except OSError as error:
            raise MeasurementError(f"{place(folder)}: report not written: {error.strerror or error}") from None
        staleness.set_rendered(folder, digest)
        return True

    def _verdict(self, worked: bool) -> int:
        verdict, reasons = _judgement(self.asked.folder)
        state = "" if worked else " is up to date"
        say(f"{place(self.asked.folder / 'report.html')}{state} · verdict {verdict}{reasons}")
        broken = self.failures or self.not_shown or verdict not in ("pass", "warn")
        return FAILED if broken else DONE


def _judgement(folder: Path) -> tuple[str, str]:
    """The verdict of `summary.json` and, where it is not pass, the gates that decided it."""
    try:
        summary = read_json(folder / "summary.json")
        verdict = str(summary["verdict"])
        gates = [f"{g['section']}.{g['id']}" for g in summary.get("gates", ()) if g["status"] == verdict]
    except (UserError, LookupError, TypeError, AttributeError):
        return "none: no summary", ""
    if verdict == "pass" or not gates:
        return verdict, ""
    more = f" and {len(gates) - 3} more" if len(gates) > 3 else ""
    return verdict, f": {', '.join(gates[:3])}{more}"


def place(path: Path) -> str:
    """A path that the reader of the terminal can open."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _by_notebook(reasons: dict[str, str]) -> dict[str, str]:
    return {by_name(section).notebook: why for section, why in reasons.items()}
