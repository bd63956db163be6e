"""From a set's name to its report: check the request, run what is stale, render, print the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalpress import params as params_room
from evalpress import platforms
from evalpress.core import lock
from evalpress.core.errors import UserError
from evalpress.core.paths import NOTEBOOKS, resolve, shown, told
from evalpress.model import measurable
from evalpress.params import Params
from evalpress.run import parameters, plan, staleness
from evalpress.run.plan import Report
from evalpress.run.report_run import DONE, ReportRun, notebook_parameters, place
from evalpress.run.signals import interruptible
from evalpress.run.terminal import say
from evalpress.sections import inputs as inputs_room
from evalpress.sections.registry import SECTIONS, SUMMARY


def report(
    set_name: str,
    reports_dir: str = "reports",
    *,
    only_render: bool = False,
    force: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> int:
    """Make the report of a set: measure what is stale, show what changed, render.

    Args:
        set_name: a set under `params/` or a path to a params file.
        reports_dir: the folder that holds one folder per set.
        only_render: measure nothing, use the results that are there.
        force: measure everything again.
        overrides: parameters by dotted key, in place of those of the file.

    Returns:
        0, or 1 when a notebook failed or a gate is `fail`.

    Raises:
        UserError: unusable parameters, or nothing to render; nothing was run.
        Interrupted: stopped from outside; everything that was started is ended.
    """
    asked = prepare(set_name, reports_dir, only_render=only_render, force=force, overrides=overrides)
    with lock.held(asked.folder), interruptible():
        return ReportRun(asked).make()


def prepare(
    set_name: str,
    reports_dir: str,
    *,
    only_render: bool = False,
    force: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Report:
    """Check everything that can be checked before anything runs.

    Raises:
        UserError: unusable parameters, a missing device or file, or nothing to render.
    """
    params = params_room.load(set_name, overrides)
    if not only_render:
        _require_host(params, set_name)
        measurable.check(params)
    folder = resolve(reports_dir) / params.set
    if only_render and not any((folder / "results" / f"{section.name}.json").is_file() for section in SECTIONS):
        raise UserError(f"{told(folder)}: no results to render; measure them with `make report SET={set_name}`")
    sections = (*SECTIONS, SUMMARY)
    given = notebook_parameters(set_name, reports_dir, "auto", params.overrides)
    for section in sections:
        parameters.check(NOTEBOOKS / f"{section.notebook}.ipynb", given)
    inputs = {section.name: staleness.inputs_digest(section, params) for section in sections}
    asked = Report(set_name, reports_dir, params, folder, inputs, only_render, force)
    if todo := [section.name for section in SECTIONS if plan.step(asked, section, {}).todo == "measure"]:
        inputs_room.check(params, todo)
    return asked


def publish(set_name: str, reports_dir: str = "reports") -> int:
    """Copy a finished report to `reports/published/<set>/` and rebuild the list of published reports.

    Raises:
        UserError: there is no finished report of this set.
    """
    from evalpress.report.publish import publish as publish_folder

    params = params_room.load(set_name)
    folder = resolve(reports_dir) / params.set
    if not folder.is_dir():
        raise UserError(f"{told(folder)}: no report of this set; make one with `make report SET={set_name}`")
    with lock.held(folder):
        published = publish_folder(folder, resolve(reports_dir) / "published", params.set)
    say(place(published.page) + (f" · without {published.left_out}" if published.left_out else ""))
    return DONE


def _require_host(params: Params, set_name: str) -> None:
    where = shown(params_room.find(set_name))
    engine = params.engine
    devices = engine.tensor_parallel_size * engine.pipeline_parallel_size * engine.data_parallel_size
    host = platforms.require(params.platform.backend, f"{where}: platform.backend", devices)
    platforms.require_dtype(engine.dtype, host, f"{where}: engine.dtype")
