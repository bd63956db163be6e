"""One finished run: its results, validated, and its blocks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalpress.core.errors import UserError
from evalpress.core.paths import expanded, resolve, shown, told
from evalpress.core.plain import Json
from evalpress.core.results import Document
from evalpress.core.validation import mistakes
from evalpress.sections.benchmark.observations import Block, Blocks, typed
from evalpress.sections.benchmark.results import PeakRates
from evalpress.sections.job import read_raw, read_results
from evalpress.sections.registry import SECTIONS


@dataclass(frozen=True)
class Run:
    """A report's folder and its results; a section without results is absent. `label` names it in a comparison."""

    folder: Path
    label: str
    sections: dict[str, Document[Any]] = field(default_factory=dict)

    @property
    def first(self) -> Document[Any]:
        """Of the section that was measured first."""
        return next(iter(self.sections.values()))

    @property
    def provenance(self) -> Json:
        """Of the section that was measured first."""
        return self.first.provenance

    @property
    def measured(self) -> str:
        """The end of the last measurement, ISO-8601, UTC."""
        return max(str(found.provenance.get("end") or found.created) for found in self.sections.values())

    @property
    def peaks(self) -> PeakRates | None:
        """What the machine could do at best while this run was measured."""
        found = self.sections.get("benchmark")
        return None if found is None else found.data.ceilings

    @cached_property
    def blocks(self) -> Blocks:
        """Workload -> mode -> blocks, as the benchmark observed them.

        Raises:
            UserError: the file of raw observations is missing or of another form.
        """
        try:
            return typed(read_raw(self.folder, "benchmark", "blocks"))
        except ValidationError as error:
            file = shown(self.folder / "results" / "raw" / "benchmark-blocks.json")
            raise UserError(mistakes(error, Block, lambda _: file)[0]) from None


def load(given: str, reports_dir: str = "reports") -> Run:
    """A run by the name of its set, or by its folder (the report's, or its `results`).

    Raises:
        UserError: there are no results, or a file is unusable.
    """
    folder = _folder(given, reports_dir)
    found = {
        section.name: read_results(folder / "results" / f"{section.name}.json", section.name)
        for section in SECTIONS
        if (folder / "results" / f"{section.name}.json").is_file()
    }
    if not found:
        raise UserError(f"{told(folder)}: no results to compare; name a set with a finished report, or its folder")
    return Run(folder, _set_name(folder), found)


def machine_change(a: Run, b: Run) -> float:
    """How far apart the machines' own rates are, as the log of a ratio; 0 where they cannot be compared.

    Only for runs on hosts of one description: between others the machine is part of what is compared.
    """
    first, second = a.peaks, b.peaks
    if first is None or second is None or _host(a) != _host(b):
        return 0.0
    changes = [math.log(second.memory_bandwidth_gb_s / first.memory_bandwidth_gb_s)]
    if (first.matrix_form, first.matrix_size) == (second.matrix_form, second.matrix_size):
        changes.append(math.log(second.matmul_tflop_s / first.matmul_tflop_s))
    return max(map(abs, changes))


def _host(run: Run) -> tuple[Any, ...]:
    host, device = run.provenance.get("host") or {}, run.provenance.get("device") or {}
    features = tuple(host.get("cpu_features") or ())
    return device.get("name"), device.get("count"), host.get("cpu_model"), host.get("cpu_cores_usable"), features


def _set_name(folder: Path) -> str:
    """The name of the set that the report is of; the folder's where there is no summary."""
    try:
        found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["set"]
    except (OSError, ValueError, LookupError, TypeError):
        found = None
    return found if isinstance(found, str) and found else folder.name


def _folder(given: str, reports_dir: str) -> Path:
    for path in (expanded(given), resolve(reports_dir) / given, resolve(reports_dir) / "published" / given):
        if path.name == "results" and path.is_dir():
            return path.parent.absolute()
        if (path / "results").is_dir():
            return path.absolute()
    where = f"{told(resolve(reports_dir))}, {told(resolve(reports_dir) / 'published')}"
    raise UserError(f"{given!r}: no folder with results, and no report of a set of that name in {where}")
