"""One notebook's work: its parameters, its place on disk, and the rule 'measure unless it is current'."""

from __future__ import annotations

import contextlib
import importlib
import json
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

from evalpress import params
from evalpress.core import lock, progress, results
from evalpress.core.errors import UserError
from evalpress.core.hashing import file_digest
from evalpress.core.paths import resolve, shown
from evalpress.core.plain import Json
from evalpress.params.schema import Params
from evalpress.platforms import processor_time, provenance
from evalpress.sections import backup, staleness
from evalpress.sections.registry import Section, by_name, results_model, skip_reason

Measure = Literal["auto", "always", "never"]
T = TypeVar("T")
Stages: TypeAlias = Generator[tuple[str, Any], None, T]
"""A measurement in stages: yields the name and the findings of each, returns the results."""


@dataclass(frozen=True)
class Job:
    """What a measuring function needs to know. Made by `open_job`."""

    section: Section
    params: Params
    folder: Path
    measure: Measure
    left_out: tuple[str, ...] = ()
    """What of the set is not measured, to keep to `run.budget_minutes`; `params` is then what is left of it."""
    _used: set[str] = field(default_factory=set, repr=False, compare=False)
    """Names of the raw observations that this run wrote or read again."""

    def __repr__(self) -> str:
        return f"Job({self.section.name!r} of {self.params.set!r} in {shown(self.folder)}, measure={self.measure!r})"

    @property
    def result_path(self) -> Path:
        return self.folder / "results" / f"{self.section.name}.json"

    def raw(self, name: str, value: Any) -> str:
        """Keep raw observations as `results/raw/<section>-<name>.json`; returns the path inside `results/`."""
        path = _raw_path(self.folder, self.section.name, name)
        results.write_json(path, value)
        self._used.add(name)
        return f"raw/{path.name}"

    def read_raw(self, name: str) -> Any:
        """What `raw` kept under this name."""
        found = read_raw(self.folder, self.section.name, name)
        self._used.add(name)
        return found

    def result(self, section: str) -> results.Document[Any] | None:
        """Another section's stored results in this report, or None when it has none."""
        path = self.folder / "results" / f"{section}.json"
        return read_results(path, section) if path.is_file() else None

    def why_stale(self) -> list[str]:
        """Why the stored result was not made with today's parameters, code, model and engine; empty when it was.

        Each line names a file, parameter, module, version or device.
        """
        try:
            stored = read_results(self.result_path, self.section.name)
        except UserError as error:
            return [str(error)]
        found = staleness.differences(stored, staleness.parts(self.section, self.params))
        return found + _raw_differences(self.folder, stored)

    def is_current(self) -> bool:
        """Whether the stored result was made from exactly today's parameters, code, model and engine."""
        return not self.why_stale()

    def run(self, measure: Callable[[Job], T]) -> results.Document[T]:
        """The section's results: stored ones when they may be used, else measured now and written.

        In a notebook opened by hand this takes the report's lock, and an error or interrupt puts the old results back,
        as in `evalpress report`.

        Raises:
            UserError: `measure` is "never" and there is no stored result, or another process measures this report.
        """
        return completed(self.stages(lambda job: _in_one(measure, job)))

    def stages(self, measure: Callable[[Job], Stages[T]]) -> Stages[results.Document[T]]:
        """As `run`, one stage at a time: yields what `measure` yields and returns the results.

        Stored results that may be used are returned without a stage. The lock is held from the first stage to the end,
        or until the generator is closed, which puts the old results back.
        """
        self._recover()
        if self.measure == "never" or (self.measure == "auto" and self.is_current()):
            return read_results(self.result_path, self.section.name)
        with self._alone():
            self._used.clear()
            found, start = staleness.parts(self.section, self.params), results.now()
            progress.forget()
            before = processor_time.read()
            job, budget = self._within_budget()
            data = yield from measure(job)
            machine = processor_time.shares(before, processor_time.read())
            return self._written(data, found, start, {"processors": machine} | budget)

    def _within_budget(self) -> tuple[Job, Json]:
        """This job with what fits into `run.budget_minutes`, and what the provenance keeps of it."""
        if self.params.run.budget_minutes is None or "run.budget_minutes" not in self.section.reads_if_set:
            return self, {}
        # By name: it asks every section, and none of that is part of this one's digests.
        budget = importlib.import_module("evalpress.sections.budget")
        plan = budget.plan(self.params, self.section, self.folder)
        return replace(self, params=plan.params, left_out=plan.left_out), {"budget": plan.record()}

    def _written(self, data: T, found: dict[str, staleness.Items], start: str, more: Json) -> results.Document[T]:
        """The results as they are stored; `more` is what else the provenance keeps."""
        steps = {name: round(seconds, 1) for name, seconds in progress.durations().items() if seconds >= 0.05}
        origin = provenance.collect(self.params, staleness.digests_of(found), start, results.now())
        origin |= more
        origin |= {"inputs": {part: items for part, items in found.items() if part != "params"}}
        origin |= {"raw": _raw_digests(self.folder, self.section.name, self._used), "steps_s": steps}
        document = results.write(self.result_path, self.section.name, data, found["params"], origin)
        self._drop_unused_raw()
        return document

    def _drop_unused_raw(self) -> None:
        """Raw observations of earlier runs that this one neither wrote nor read, by name, whatever their time."""
        kept = {_raw_path(self.folder, self.section.name, name) for name in self._used}
        for path in (self.folder / "results" / "raw").glob(f"{self.section.name}-*"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Put back old results where an earlier measurement by hand was killed."""
        name = self.section.name
        if backup.exists(self.folder, name) and not lock.is_held_for_this_process(self.folder):
            with lock.held(self.folder):
                backup.recover(self.folder, name)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock with a backup, unless an `evalpress report` does both for this process."""
        name = self.section.name
        if lock.is_held_for_this_process(self.folder):
            yield
            return
        with lock.held(self.folder):
            backup.save(self.folder, name)
            try:
                yield
            finally:
                backup.recover(self.folder, name)


def completed(stages: Stages[T]) -> T:
    """What is returned at the end of all stages."""
    while True:
        try:
            next(stages)
        except StopIteration as end:
            return cast(T, end.value)


def _in_one(measure: Callable[[Job], T], job: Job) -> Stages[T]:
    """A measurement that has no stages."""
    yield from ()
    return measure(job)


def _raw_path(folder: Path, section: str, name: str) -> Path:
    return folder / "results" / "raw" / f"{section}-{name}.json"


def _raw_digests(folder: Path, section: str, names: Iterable[str]) -> dict[str, str]:
    """Digest of each raw observation by its file's name."""
    paths = [_raw_path(folder, section, name) for name in sorted(names)]
    return {path.name: file_digest(path) for path in paths if path.is_file()}


def _raw_differences(folder: Path, stored: results.Document[Any]) -> list[str]:
    """Raw observations that were removed or edited since the results were written."""
    recorded = stored.provenance.get("raw")
    told = []
    for name, known in (recorded if isinstance(recorded, dict) else {}).items():
        path = folder / "results" / "raw" / str(name)
        if not path.is_file():
            told.append(f"file {shown(path)}: gone")
        elif file_digest(path) != known:
            told.append(f"file {shown(path)}: edited after it was written")
    return told


def open_job(
    section: str,
    set_name: str = "demo",
    reports_dir: str = "reports",
    measure: Measure = "auto",
    overrides: Mapping[str, Any] | None = None,
) -> Job:
    """The job of one notebook.

    Args:
        section: setup, benchmark, serving, evidence, alignment, quality or summary.
        set_name: a set under `params/` or a path to a params file.
        reports_dir: the folder that holds one folder per set.
        measure: "auto" measures unless the stored result is current, "always" measures, "never" only reads.
        overrides: parameters in place of those of the set, by dotted key: `{"engine.max_num_seqs": 32}`.

    Raises:
        UserError: unusable parameters, an unknown `measure`, or a section that this set skips.
    """
    if measure not in ("auto", "always", "never"):
        raise UserError(f"measure: found {measure!r}, allowed 'auto', 'always' or 'never'")
    known = by_name(section)
    loaded = params.load(set_name, overrides)
    reason = skip_reason(known, loaded)
    if reason:
        raise UserError(f"{shown(params.find(set_name))}: section {section!r} is skipped: {reason}")
    return Job(known, loaded, resolve(reports_dir) / loaded.set, measure)


def read_results(path: Path, section: str) -> results.Document[Any]:
    """A section's results file, validated with the section's own model.

    Raises:
        UserError: missing or unusable; one line with file and key.
    """
    return results.read(path, section, results_model(section))


def read_raw(folder: Path, section: str, name: str) -> Any:
    """Raw observations of a section, as `Job.raw` wrote them under a report's folder, or as publishing packed them.

    Raises:
        UserError: they are not there or not JSON.
    """
    path, archive = _raw_path(folder, section, name), folder / "results" / "raw.zip"
    if path.is_file() or not archive.is_file():
        return results.read_json(path)
    try:
        with zipfile.ZipFile(archive) as packed:
            return json.loads(packed.read(f"raw/{path.name}"))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{shown(archive)}: {path.name}: not readable: {error}") from None
