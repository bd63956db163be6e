"""One notebook of a report: kernel, log, atomic output, failure. Imports the notebook tools, so it is imported late."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import NOTEBOOKS
from evalpress.run import notebook
from evalpress.run.kernel import SharedKernel
from evalpress.run.plan import Report, Step
from evalpress.run.terminal import Watch
from evalpress.sections import backup
from evalpress.sections.registry import SUMMARY


@dataclass(frozen=True)
class Outcome:
    """The outcome of executing a notebook.

    Attributes:
        failed: why the section has no new results; None where it has.
        not_shown: why tables or figures of measured results are missing; None where all are there.
    """

    failed: str | None = None
    not_shown: str | None = None


def run(
    report: Report,
    step: Step,
    shared: SharedKernel,
    parameters: Mapping[str, Any],
    measured: Callable[[], None] | None = None,
) -> Outcome:
    """Run a section's notebook; `measured` is called once, after the cell that writes the results.

    Where results were measured (or are only shown), `notebooks/` holds the executed notebook, even if a table of it
    could not be drawn. Otherwise `failed/` holds what was reached and `notebooks/` nothing.
    """
    section = step.section
    source = NOTEBOOKS / f"{section.notebook}.ipynb"
    partial = report.executed(section).with_name(f".{report.executed(section).name}")
    cells = len(json.loads(source.read_text(encoding="utf-8"))["cells"]) + 1  # with the injected parameters
    with Watch(section.notebook, cells, lambda: shared.step, report.took_s(step)) as watch:
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            why = _attempt(source, partial, report, step, shared, parameters, watch, _Measured(report, step, measured))
            outcome = _kept(report, step, source, partial, why)
        except MeasurementError as error:
            outcome = Outcome(failed=str(error))
        except OSError as error:
            outcome = Outcome(failed=f"{report.folder.name}: cannot be written: {error.strerror or error}")
        finally:
            partial.unlink(missing_ok=True)
        if outcome.not_shown:
            watch.finish("partly", f"results are kept; not shown: {outcome.not_shown}")
        else:
            watch.finish("failed" if outcome.failed else "done", outcome.failed or "")
    return outcome


def _kept(report: Report, step: Step, source: Path, partial: Path, why: str | None) -> Outcome:
    """Put the executed notebook where it belongs."""
    executed = report.executed(step.section)
    lacking = _lacking(report, step)
    if lacking is not None:
        _keep_failed(partial, executed, report.folder)
        return Outcome(failed=why or lacking)
    if why is not None:
        _copy_failed(partial, executed, report.folder)
    reached = notebook.read(partial)
    if reached is None:
        executed.unlink(missing_ok=True)
        return Outcome(not_shown=why or "the executed notebook cannot be read")
    notebook.stamp(reached, source, executed, report.digest(step.section), step.section.name, why)
    return Outcome(not_shown=why)


def _attempt(
    source: Path,
    partial: Path,
    report: Report,
    step: Step,
    shared: SharedKernel,
    parameters: Mapping[str, Any],
    watch: Watch,
    after_cell: Callable[[], None],
) -> str | None:
    log = report.log(step.section)
    try:
        shared.begin(log, step.appends)
    except RuntimeError as error:
        shared.discard()
        return f"{error} (see {log.parent.name}/{log.name})"
    timeout_s = report.params.run.timeout_s
    return notebook.execute(
        source, partial, parameters, shared, timeout_s, watch, lambda: _lacking(report, step) is None, after_cell
    )


class _Measured:
    """Called after each cell of a notebook: calls `then` once, when the results are there."""

    def __init__(self, report: Report, step: Step, then: Callable[[], None] | None) -> None:
        self._report, self._step, self._then = report, step, then

    def __call__(self) -> None:
        if self._then is not None and _lacking(self._report, self._step) is None:
            then, self._then = self._then, None
            then()


def _lacking(report: Report, step: Step) -> str | None:
    """The file that a notebook should have written and has not; None where its results are there."""
    if step.section.name == SUMMARY.name:
        return None if (report.folder / "summary.json").is_file() else "the notebook wrote no summary.json"
    written = step.todo == "show" or backup.renewed(report.folder, step.section.name)
    return None if written else f"the notebook wrote no results/{step.section.name}.json"


def _keep_failed(partial: Path, executed: Path, folder: Path) -> None:
    executed.unlink(missing_ok=True)
    _copy_failed(partial, executed, folder)


def _copy_failed(partial: Path, executed: Path, folder: Path) -> None:
    """A notebook with an error, without secrets, under `failed/`; a full disk costs only this copy."""
    reached = notebook.read(partial)
    if reached is not None:
        with contextlib.suppress(MeasurementError):
            notebook.write(folder / "failed" / executed.name, reached)
