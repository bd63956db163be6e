"""One notebook of a report: kernel, log, atomic output, failure. Imports the notebook tools, so it is imported late."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalpress.core.paths import NOTEBOOKS
from evalpress.run import aside, notebook
from evalpress.run.kernel import SharedKernel
from evalpress.run.plan import Report, Step
from evalpress.run.terminal import Watch
from evalpress.sections.registry import SUMMARY


def run(report: Report, step: Step, shared: SharedKernel, parameters: Mapping[str, Any]) -> str | None:
    """Run a section's notebook.

    Returns:
        None when `notebooks/` holds the finished notebook, else the reason; then `failed/` holds what was
        reached and `notebooks/` nothing.
    """
    section, folder = step.section, report.folder
    source = NOTEBOOKS / f"{section.notebook}.ipynb"
    executed = report.executed(section)
    partial = executed.with_name(f".{executed.name}")
    log = report.log(section)
    executed.parent.mkdir(parents=True, exist_ok=True)
    cells = len(json.loads(source.read_text(encoding="utf-8"))["cells"]) + 1  # with the injected parameters
    with Watch(section.notebook, cells, lambda: shared.step) as watch:
        try:
            why = _attempt(source, partial, log, step, shared, parameters, report.params.run.timeout_s, watch)
            if why is None:
                why = _lacking(report, step)
            if why is None:
                notebook.stamp(partial, source, report.digest(section), section.name)
                partial.replace(executed)
            else:
                _keep_failed(partial, executed, folder)
        finally:
            partial.unlink(missing_ok=True)
        watch.finish("done" if why is None else "failed", why or "")
    return why


def _attempt(
    source: Path,
    partial: Path,
    log: Path,
    step: Step,
    shared: SharedKernel,
    parameters: Mapping[str, Any],
    timeout_s: float,
    watch: Watch,
) -> str | None:
    try:
        shared.begin(log, step.appends)
    except RuntimeError as error:
        shared.discard()
        return f"{error} (see {log.parent.name}/{log.name})"
    return notebook.execute(source, partial, parameters, shared, timeout_s, watch)


def _lacking(report: Report, step: Step) -> str | None:
    """A notebook that ran to its end without leaving what it is there for."""
    if step.section.name == SUMMARY.name:
        return None if (report.folder / "summary.json").is_file() else "the notebook wrote no summary.json"
    written = step.todo == "show" or aside.renewed(report.folder, step.section.name)
    return None if written else f"the notebook wrote no results/{step.section.name}.json"


def _keep_failed(partial: Path, executed: Path, folder: Path) -> None:
    executed.unlink(missing_ok=True)
    if partial.is_file():
        kept = folder / "failed" / executed.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(kept)
