"""The sections of a report: which notebook makes each, from which parameters, with which package of the library."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

from evalpress.core import secrets
from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.params.schema import Params


@dataclass(frozen=True)
class Section:
    """One measured section. `reads` are the blocks of the params file that decide its numbers."""

    name: str
    notebook: str
    title: str
    reads: tuple[str, ...]
    reads_if_set: tuple[str, ...] = ()
    """Single parameters (`block.name`) that decide its numbers where the set gives them."""
    needs_weights: bool = False
    timed: bool = False
    """Whether it measures durations, which nothing may run beside."""
    asks: bool = False
    """Whether it sends prompts to the model through its chat template."""
    tools: tuple[str, ...] = ()
    """Optional distributions; whether they are installed changes what the section can measure."""

    @property
    def module(self) -> str:
        """The module that measures it: `measure(job)`, for the summary `build(job)`."""
        return f"evalpress.sections.{self.name}.section"


_HOST = ("model", "platform", "engine")
_BUDGET = ("run.budget_minutes",)

SECTIONS = (
    Section("setup", "00_setup", "Setup", (*_HOST, "serving", "benchmark", "claims"), timed=True),
    Section("benchmark", "10_benchmark", "Benchmark", (*_HOST, "benchmark"), _BUDGET, timed=True),
    Section("serving", "20_serving", "Serving", (*_HOST, "serving", "evidence"), _BUDGET, timed=True),
    Section(
        "evidence",
        "30_evidence",
        "Evidence",
        (*_HOST, "evidence"),
        _BUDGET,
        needs_weights=True,
        timed=True,
        asks=True,
    ),
    Section("alignment", "40_alignment", "Alignment", (*_HOST, "alignment"), _BUDGET, needs_weights=True),
    Section(
        "quality",
        "50_quality",
        "Quality",
        (*_HOST, "quality"),
        _BUDGET,
        needs_weights=True,
        asks=True,
        tools=("lm_eval",),
    ),
)
_MEASURED = ("setup", "benchmark", "alignment", "quality", "serving", "evidence")
EXECUTION = tuple(next(section for section in SECTIONS if section.name == name) for name in _MEASURED)
"""The order of measuring. Timed sections come first, while nothing else runs; then untimed ones, during which serving's
servers start; evidence, whose requests are timed, comes after the servers have stopped."""
SUMMARY = Section("summary", "90_summary", "Summary", tuple(Params.model_fields))


def by_name(name: str) -> Section:
    """The section called `name`.

    Raises:
        UserError: there is none.
    """
    for section in (*SECTIONS, SUMMARY):
        if section.name == name:
            return section
    raise UserError(f"section {name!r}: unknown; allowed: {', '.join(s.name for s in (*SECTIONS, SUMMARY))}")


def results_model(section: str) -> type[Any]:
    """The class `Results` of the section's `results.py`, or `dict` for a section whose results are plain JSON."""
    name = f"evalpress.sections.{by_name(section).name}.results"
    if importlib.util.find_spec(name) is None:
        return dict
    found: type[Any] = importlib.import_module(name).Results
    return found


def skip_reason(section: Section, params: Params) -> str | None:
    """Why this set does not run the section, or None."""
    if section.name in params.skip:
        return params.skip[section.name]
    if section.needs_weights and params.model.weights == "random":
        return "the model's weights are random: this section says something only about trained weights"
    return None


def parameters_read(section: Section, params: Params) -> Json:
    """The part of the parameters that decides the section's numbers, as plain JSON values without secrets."""
    dumped = secrets.redacted(params.model_dump(mode="json"))
    asked = {key: dumped[key.partition(".")[0]][key.partition(".")[2]] for key in section.reads_if_set}
    return {key: dumped[key] for key in section.reads} | {k: v for k, v in asked.items() if v is not None}
