"""The acceptance pack: figures that model-adaptation tracks require, each beside the value to compare it with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evalpress.core.plain import Fields
from evalpress.core.results import Model, nulls
from evalpress.report.card.source import Source
from evalpress.report.card.tables import Row
from evalpress.report.card.words import number, share
from evalpress.sections.alignment.agreement_results import Metrics
from evalpress.sections.gate import Gate

LOGITS = {
    "max_abs_err": False,
    "mean_abs_err": False,
    "cosine_similarity": True,
    "top1_agreement": True,
    "top5_overlap": True,
    "match_within_1_percent": True,
}
"""Agreement of logits -> whether more is better."""
RELATIVE_LOSS = 0.05
"""Relative loss of accuracy against a published score that is accepted, as in vllm-ascend's accuracy test."""
_SHARES = ("top1_agreement", "top5_overlap", "match_within_1_percent")
_NO_GATE = "no gate of this report judges the figure"


class Agreement(Model):
    """One figure of one candidate's logits beside the noise floor and the gate."""

    metric: str
    candidate: str
    more_is_better: bool
    value: float | None
    value_why: str | None = None
    noise_floor: float | None
    noise_floor_why: str | None = None
    threshold: str | None
    threshold_why: str | None = None
    status: str | None
    status_why: str | None = None


class Accuracy(Model):
    """One accuracy beside a reference; values and differences are shares."""

    task: str
    metric: str
    value: float
    reference: float
    reference_source: str
    absolute_difference: float
    relative_difference: float | None
    relative_difference_why: str | None = None
    threshold: str
    status: str
    n: int | None
    n_why: str | None = None


class Pack(Model):
    """The whole pack, as in `precision_comparison.json`."""

    logits: tuple[Agreement, ...]
    accuracy: tuple[Accuracy, ...]


@dataclass(frozen=True)
class LogitsRow(Row):
    """One figure as text: one value per candidate."""

    floor: str
    threshold: str


@dataclass(frozen=True)
class Table:
    """The pack as rows of a page."""

    candidates: tuple[str, ...]
    logits: tuple[LogitsRow, ...]
    accuracy: tuple[Accuracy, ...]


def pack(source: Source) -> Pack:
    """Agreement of the logits beside the noise floor and the gate, and accuracy beside its references."""
    return Pack(logits=tuple(_logits(source)), accuracy=(*_published(source), *_other_run(source)))


def table(source: Source) -> Table:
    """The pack as rows of text: one row per figure, one value per candidate."""
    found = pack(source)
    candidates = tuple(dict.fromkeys(row.candidate for row in found.logits))
    rows = []
    for key in LOGITS if candidates else ():
        of_key = [row for row in found.logits if row.metric == key]
        allowed = ", ".join(dict.fromkeys(row.threshold for row in of_key if row.threshold is not None))
        values = tuple(_shown(key, row.value) for row in of_key)
        rows.append(LogitsRow(key, values, _shown(key, of_key[0].noise_floor), allowed or "n/a"))
    return Table(candidates, tuple(rows), found.accuracy)


def points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def _shown(key: str, value: float | None) -> str:
    return share(value) if key in _SHARES else number(value, 6 if key == "cosine_similarity" else 3)


def _logits(source: Source) -> Iterator[Agreement]:
    if source.alignment is None:
        return
    alignment = source.alignment.data
    gates = {gate.id: gate for gate in source.summary.gates if gate.section == "alignment"}
    for key in LOGITS:
        for name, run in alignment.candidates.items():
            yield _agreement(key, name, run, alignment.noise_floor, gates.get(f"{name}.{key}"))


def _agreement(key: str, candidate: str, run: Metrics, floor: Metrics, gate: Gate | None) -> Agreement:
    why = _NO_GATE if gate is None else None
    return Agreement(
        metric=key,
        candidate=candidate,
        more_is_better=LOGITS[key],
        **_figure("value", run, key),
        **_figure("noise_floor", floor, key),
        threshold=None if gate is None else gate.allowed,
        threshold_why=why,
        status=None if gate is None else gate.status,
        status_why=why,
    )


def _figure(name: str, found: Metrics, key: str) -> Fields:
    """A figure under a name, null with its reason."""
    value = getattr(found, key)
    return {name: value} if value is not None else nulls([name], getattr(found, f"{key}_why"))


def _published(source: Source) -> Iterator[Accuracy]:
    """Published scores beside the measured ones."""
    tasks = source.quality.data.standard_tasks if source.quality else None
    for row in tasks.rows if tasks else ():
        for one in row.published:
            yield _accuracy(
                (row.task, row.metric),
                row.value,
                one.score,
                one.source,
                threshold=f"relative loss ≤ {RELATIVE_LOSS:.0%}",
                status="pass" if row.value >= one.score * (1 - RELATIVE_LOSS) else "fail",
                n=row.n,
                n_why=row.n_why,
            )


def _other_run(source: Source) -> Iterator[Accuracy]:
    """Accuracy of another run on the same items, which the set names as its reference, paired item by item."""
    found = source.quality.data.comparison if source.quality else None
    if found is None:
        return
    states = {"not inferior": "pass", "inferior": "fail", "undecided": "undecided_margin"}
    for row in found.rows:
        if row.n and row.conclusion is not None:
            yield _accuracy(
                (row.what, "paired"),
                (row.both + row.only_this) / row.n,
                (row.both + row.only_other) / row.n,
                found.other.path,
                threshold=f"loss ≤ {row.margin:.0%}, by the 95 % interval",
                status=states[row.conclusion],
                n=row.n,
            )


def _accuracy(what: tuple[str, str], value: float, reference: float, where: str, **more: Any) -> Accuracy:
    """A task and its metric beside a reference, with both differences."""
    return Accuracy(
        task=what[0],
        metric=what[1],
        value=value,
        reference=reference,
        reference_source=where,
        absolute_difference=value - reference,
        relative_difference=value / reference - 1 if reference else None,
        relative_difference_why=None if reference else "the reference is zero",
        **more,
    )
