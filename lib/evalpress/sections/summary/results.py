"""The typed summary: the schema of `summary.json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalpress.core.results import Model
from evalpress.sections.gate import Gate


class HeadlineRow(Model):
    """One figure of the headline in eager and a compiling mode, with the paired comparison."""

    label: str
    unit: str = Field(description="Unit of `eager` and `compiled`.")
    workload: str = Field(description="The benchmark workload that the figure comes from.")
    metric: str | None = Field(default=None, description="Key of the figure in results/benchmark.json.")
    mode: str = Field(default="compiled", description="The compiling mode that `compiled` is of: it, or a variant.")
    eager: float | None = None
    eager_why: str | None = None
    compiled: float | None = None
    compiled_why: str | None = None
    ratio: float | None = Field(default=None, description="compiled / eager, geometric mean of paired blocks.")
    ratio_why: str | None = None
    ci_low: float | None = Field(default=None, description="Lower bound of the 95 % interval of `ratio`.")
    ci_low_why: str | None = None
    ci_high: float | None = Field(default=None, description="Upper bound of the 95 % interval of `ratio`.")
    ci_high_why: str | None = None
    n_pairs: int | None = Field(default=None, description="Pairs of blocks behind `ratio`.")
    better: Literal["higher", "lower"] | None = None


class Headline(Model):
    """Speed in few rows; not valid where a gate of evidence, alignment or quality fails."""

    valid: bool
    valid_why: str | None = None
    rows: tuple[HeadlineRow, ...]
    rows_why: str | None = None


class Clause(Model):
    """One statement of the conclusion and the section that supports it."""

    text: str
    section: str


class KeyFigure(Model):
    """A key figure other than those of speed."""

    label: str
    value: float
    unit: str = Field(description="Unit of `value`; share: 0 to 1.")
    detail: str
    section: str


class SummarySection(Model):
    """The outcome of a section."""

    status: Literal["done", "skipped", "failed"]
    why: str | None = Field(default=None, description="Why it was skipped or failed.")
    not_shown: str | None = Field(default=None, description="Why a table or figure of measured results is missing.")


class ClaimBeside(Model):
    """A published figure and what this report measured of the same quantity."""

    card: str
    quantity: str
    claimed: str = Field(description="As printed.")
    measured: str = Field(description="With its 95 % interval, in the base unit of the quantity.")
    status: Literal["consistent", "inconsistent", "not_comparable"]
    why: str


class Shortened(Model):
    """What was not measured to keep to `run.budget_minutes`."""

    minutes: float = Field(description="The budget of the whole report.")
    left_out: dict[str, tuple[str, ...]] = Field(description="By section; empty where all of it was measured.")
    why: dict[str, str] = Field(description="By section: why the budget could not be applied.")


class Summary(Model):
    """The whole of `summary.json`."""

    schema_: str = Field(alias="schema")
    created: str = Field(description="When the summary was made, ISO-8601, UTC.")
    measured: str | None = Field(default=None, description="When the last measurement ended, ISO-8601, UTC.")
    set: str
    title: str
    description: str
    model: str
    platform: str
    device: Any = Field(description="Name, count and memory of the device, from the setup section.")
    verdict: Literal["pass", "warn", "fail"]
    gates: tuple[Gate, ...]
    headline: Headline
    conclusion: tuple[Clause, ...] = ()
    key_figures: tuple[KeyFigure, ...] = Field(default=(), description="Agreement, quality and load within the SLO.")
    claims: tuple[ClaimBeside, ...] = Field(default=(), description="Published figures beside measured ones.")
    sections: dict[str, SummarySection]
    shortened: Shortened | None = Field(default=None, description="None: the set has no time budget.")
    command: str = Field(description="The command that makes this report again.")
