"""From a set's name to its report: run what is stale, render, tell."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from evalpress import model, platforms
from evalpress import params as params_room
from evalpress.core.errors import UserError
from evalpress.core.paths import NOTEBOOKS, ROOT, resolve, shown
from evalpress.core.results import write_json
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.run import aside, lock, parameters, plan, staleness
from evalpress.run.plan import Report, Step
from evalpress.run.terminal import row, say
from evalpress.sections import inputs as inputs_room
from evalpress.sections.registry import EXECUTION, SECTIONS, SUMMARY, Section, by_name

DONE, FAILED = 0, 1
_PREPARE = "__import__('importlib').import_module('evalpress.sections.serving.servers').prepare({!r}, {!r})"
_AHEAD = "__import__('importlib').import_module('evalpress.sections.serving.servers').start_ahead({!r}, {!r})"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP."""


def report(set_name: str, reports_dir: str = "reports", *, only_render: bool = False, force: bool = False) -> int:
    """Make the report of a set: measure what is stale, show what changed, render.

    Args:
        set_name: a set under `params/` or a path to a params file.
        reports_dir: the folder that holds one folder per set.
        only_render: measure nothing, use the results that are there.
        force: measure everything again.

    Returns:
        0, or 1 when a notebook failed or a gate is `fail`.

    Raises:
        UserError: unusable parameters, or nothing to render; nothing was run.
        Interrupted: stopped from outside; everything that was started is ended.
    """
    params = params_room.load(set_name)
    if not only_render:
        _require_host(params, set_name)
        model.resolve(params)
    folder = resolve(reports_dir) / params.set
    if only_render and not any((folder / "results" / f"{section.name}.json").is_file() for section in SECTIONS):
        raise UserError(f"{shown(folder)}: no results to render; measure them with `make report SET={set_name}`")
    sections = (*SECTIONS, SUMMARY)
    for section in sections:
        parameters.check(NOTEBOOKS / f"{section.notebook}.ipynb", _notebook_parameters(set_name, reports_dir, "auto"))
    inputs = {section.name: staleness.inputs_digest(section, params) for section in sections}
    asked = Report(set_name, reports_dir, params, folder, inputs, only_render, force)
    if todo := [section.name for section in SECTIONS if plan.step(asked, section, {}).todo == "measure"]:
        inputs_room.check(params, todo)
    with lock.held(folder), _interruptible():
        return _Run(asked).make()


def publish(set_name: str, reports_dir: str = "reports") -> int:
    """Copy a finished report to `reports/published/<set>/` and rebuild the list of published reports.

    Raises:
        UserError: there is no finished report of this set.
    """
    from evalpress.report.publish import publish as publish_folder

    params = params_room.load(set_name)
    folder = resolve(reports_dir) / params.set
    if not folder.is_dir():
        raise UserError(f"{shown(folder)}: no report of this set; make one with `make report SET={set_name}`")
    with lock.held(folder):
        published = publish_folder(folder, resolve(reports_dir) / "published", params.set)
    say(_place(published.page) + (f" · without {published.left_out}" if published.left_out else ""))
    return DONE


def _require_host(params: Params, set_name: str) -> None:
    where = shown(params_room.find(set_name))
    engine = params.engine
    devices = engine.tensor_parallel_size * engine.pipeline_parallel_size * engine.data_parallel_size
    host = platforms.require(params.platform.backend, f"{where}: platform.backend", devices)
    platforms.require_dtype(engine.dtype, host, f"{where}: engine.dtype")


def _notebook_parameters(set_name: str, reports_dir: str, measure: str) -> dict[str, Any]:
    return {"set_name": set_name, "reports_dir": reports_dir, "measure": measure}


class _Run:
    """One `report` call, under the lock."""

    def __init__(self, asked: Report) -> None:
        self.asked = asked
        self.failures: dict[str, str] = {}
        self.skipped: dict[str, str] = {}
        self._kernel: Any = None
        self._ahead = self._serves = False
        self._stack = contextlib.ExitStack()
        self._told: list[tuple[str, str, str]] | None = []

    def make(self) -> int:
        before = self._recorded_failures()
        for section in EXECUTION:
            aside.recover(self.asked.folder, section.name)
        self._serves = plan.step(self.asked, by_name("serving"), before).todo == "measure"
        with self._stack:
            for section in EXECUTION:
                step = plan.step(self.asked, section, before)
                self._start_ahead(step)
                self._section(step)
            self._record()
            self._summary()
        rendered = self._render()
        return self._verdict(self._told is None or rendered)

    def _start_ahead(self, step: Step) -> None:
        """Before the first section that nobody times: let serving's servers start beside it.

        A section with a kernel is about to run anyway.
        """
        if step.section.timed or step.todo != "measure" or self._kernel is None:
            return
        if self._serves and not self._ahead:
            self._ahead = True
            self._kernel.quietly(_AHEAD.format(self.asked.set_name, self.asked.reports_dir))

    def _section(self, step: Step) -> None:
        section, folder = step.section, self.asked.folder
        if step.todo == "nothing":
            self._tell(section.notebook, "up to date", "")
        elif step.todo in ("skip", "missing"):
            self.asked.executed(section).unlink(missing_ok=True)
            (self.skipped if step.todo == "skip" else self.failures)[section.name] = step.why
            self._tell(section.notebook, "skipped" if step.todo == "skip" else "no results", step.why)
        elif step.todo == "show":
            self._run(step)
        else:
            aside.put(folder, section.name)
            try:
                ok = self._run(step)
            except BaseException:
                self._stack.close()  # no kernel that may still be writing when the old results are put back
                aside.recover(folder, section.name)
                raise
            (aside.drop if ok else aside.fail)(folder, section.name)

    def _run(self, step: Step) -> bool:
        """Run one notebook; on failure its state is kept under `failed/` and nothing under `notebooks/`."""
        if self._told is not None:
            told, self._told = self._told, None
            for line in told:
                row(*line)
        if self._kernel is None:
            self._kernel = self._stack.enter_context(self._started_kernel(step))
        # What takes a second to import is imported while the kernel takes longer to start.
        from evalpress import report  # noqa: F401
        from evalpress.run import execution

        given = _notebook_parameters(self.asked.set_name, self.asked.reports_dir, self.asked.measure(step))
        why = execution.run(self.asked, step, self._kernel, given)
        if why is not None:
            self.failures[step.section.name] = why
        return why is None

    def _started_kernel(self, step: Step) -> Any:
        from evalpress.run.kernel import SharedKernel

        env = environment.engine_env(self.asked.params) | environment.preload_env(self.asked.params)
        first = _PREPARE.format(self.asked.set_name, self.asked.reports_dir) if self._serves else ""
        kernel = SharedKernel(self.asked.folder, NOTEBOOKS, env, first)
        with contextlib.suppress(RuntimeError):  # told when the first notebook tries again
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

    def _record(self) -> None:
        """Tell the summary what became of each section."""
        states = {section.name: self._state(section) for section in SECTIONS}
        path = self.asked.folder / "results" / staleness.STATUS
        wanted = {"sections": states}
        if _read_json(path) != wanted:
            write_json(path, wanted)

    def _state(self, section: Section) -> dict[str, str]:
        if section.name in self.failures:
            return {"status": "failed", "why": self.failures[section.name]}
        if section.name in self.skipped:
            return {"status": "skipped", "why": self.skipped[section.name]}
        return {"status": "done"}

    def _recorded_failures(self) -> dict[str, str]:
        recorded = _read_json(self.asked.folder / "results" / staleness.STATUS)
        states = recorded.get("sections", {}) if isinstance(recorded, dict) else {}
        return {name: state["why"] for name, state in states.items() if state.get("status") == "failed"}

    def _render(self) -> bool:
        """Render unless the report there was made from exactly this; returns whether it did."""
        folder, title = self.asked.folder, self.asked.params.title
        failures, skipped = _by_notebook(self.failures), _by_notebook(self.skipped)
        digest = staleness.render_digest(folder, title, failures, skipped)
        if staleness.is_rendered(folder, digest):
            return False
        from evalpress import report as report_room

        report_room.render(folder, title, failures=failures, skipped=skipped)
        staleness.set_rendered(folder, digest)
        return True

    def _verdict(self, worked: bool) -> int:
        summary = _read_json(self.asked.folder / "summary.json")
        verdict = summary["verdict"] if isinstance(summary, dict) and "verdict" in summary else "none: no summary"
        state = "" if worked else " is up to date"
        say(f"{_place(self.asked.folder / 'report.html')}{state} · verdict {verdict}")
        return FAILED if self.failures or verdict not in ("pass", "warn") else DONE


def _place(path: Path) -> str:
    """A path that the reader of the terminal can open."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _by_notebook(reasons: dict[str, str]) -> dict[str, str]:
    return {by_name(section).notebook: why for section, why in reasons.items()}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into `Interrupted`, and let nothing disturb the cleaning up after it."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise Interrupted

    before = {one: signal.signal(one, stop) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
