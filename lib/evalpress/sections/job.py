"""One notebook's work: its parameters, its place on disk, and the rule 'measure unless it is current'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from evalpress import params
from evalpress.core import results
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.params.schema import Params
from evalpress.platforms import provenance
from evalpress.sections import staleness
from evalpress.sections.registry import Section, by_name, parameters_read, results_model, skip_reason

Measure = Literal["auto", "always", "never"]
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """What a measuring function needs to know. Made by `open_job`."""

    section: Section
    params: Params
    folder: Path
    measure: Measure

    @property
    def result_path(self) -> Path:
        return self.folder / "results" / f"{self.section.name}.json"

    def raw(self, name: str, value: Any) -> str:
        """Keep raw observations as `results/raw/<section>-<name>.json`; returns the path inside `results/`."""
        path = self.folder / "results" / "raw" / f"{self.section.name}-{name}.json"
        results.write_json(path, value)
        return f"raw/{path.name}"

    def forget_raw(self, before: float) -> None:
        """Delete the section's raw observations older than that time: of one that names files after what is asked."""
        for path in (self.folder / "results" / "raw").glob(f"{self.section.name}-*"):
            if path.stat().st_mtime < before:
                path.unlink()

    def read_raw(self, name: str) -> Any:
        """What `raw` kept under this name."""
        return read_raw(self.folder, self.section.name, name)

    def result(self, section: str) -> results.Document[Any] | None:
        """Another section's stored results in this report, or None when it has none."""
        path = self.folder / "results" / f"{section}.json"
        return read_results(path, section) if path.is_file() else None

    def is_current(self) -> bool:
        """Whether the stored result was made from exactly today's parameters, code and model."""
        try:
            stored = read_results(self.result_path, self.section.name)
        except UserError:
            return False
        return stored.provenance.get("digests") == staleness.section_digests(self.section, self.params)

    def run(self, measure: Callable[[Job], T]) -> results.Document[T]:
        """The section's results: stored ones when they may be used, else measured now and written.

        Raises:
            UserError: `measure` is "never" and there is no stored result.
        """
        if self.measure == "never" or (self.measure == "auto" and self.is_current()):
            return read_results(self.result_path, self.section.name)
        digests = staleness.section_digests(self.section, self.params)
        start = results.now()
        data = measure(self)
        origin = provenance.collect(self.params, digests, start, results.now())
        read = parameters_read(self.section, self.params)
        return results.write(self.result_path, self.section.name, data, read, origin)


def open_job(section: str, set_name: str = "demo", reports_dir: str = "reports", measure: Measure = "auto") -> Job:
    """The job of one notebook.

    Args:
        section: setup, benchmark, serving, evidence, alignment, quality or summary.
        set_name: a set under `params/` or a path to a params file.
        reports_dir: the folder that holds one folder per set.
        measure: "auto" measures unless the stored result is current, "always" measures, "never" only reads.

    Raises:
        UserError: unusable parameters, an unknown `measure`, or a section that this set skips.
    """
    if measure not in ("auto", "always", "never"):
        raise UserError(f"measure: found {measure!r}, allowed 'auto', 'always' or 'never'")
    known = by_name(section)
    loaded = params.load(set_name)
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
    """Raw observations of a section, as `Job.raw` wrote them under a report's folder."""
    import json

    path = folder / "results" / "raw" / f"{section}-{name}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(path)}: raw observations not readable: {error}") from None
