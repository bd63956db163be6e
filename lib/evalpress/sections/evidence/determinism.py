"""The determinism checks: each changes one thing and counts how many outputs stay the same.

A check that differs is explained by the reference, one that cannot be measured is null with the reason; neither ends
the section.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Json
from evalpress.core.progress import step
from evalpress.core.results import nulls
from evalpress.engine.start import one_line
from evalpress.sections.evidence import explaining
from evalpress.sections.evidence.checks import Checks, tokens_of
from evalpress.sections.evidence.comparing import Difference, Found, Run, counts, differences
from evalpress.sections.evidence.explaining import Name, Readings, TokenText
from evalpress.sections.evidence.results import Check, Divergence
from evalpress.sections.evidence.settings import holds_with

_MEASURED = (
    *("identical", "of", "first_divergence", "tokens", "rate_upper_95", "explained", "unexplained"),
    *("unique_outputs", "logprobs_identical", "logprobs_of"),
)
_SAME = "all outputs are identical"
SHOWN = 40
"""Most differences of one check that are explained; a check with more has the first of each prompt among them."""


@dataclass(frozen=True)
class Outcome:
    """All checks, their raw tokens, and the reference's readings of the outputs of each mode."""

    rows: tuple[Check, ...]
    raw: Json
    readings: Readings | None
    readings_why: str


def run(checks: Checks, text: TokenText) -> Outcome:
    """Run all checks, then evaluate the differences with the reference.

    Args:
        text: a token id as text.
    """
    measured = [(name, changed, _measure(changed, measure)) for name, changed, measure in checks.all()]
    found = {name: one for name, _, one in measured if isinstance(one, Found)}
    step("evidence: explaining differences")
    readings, why = _readings(checks, found)
    rows = [
        _row(name, changed, one, readings, why, checks.job.params.engine.dtype, text) for name, changed, one in measured
    ]
    return Outcome(tuple(rows), raw_tokens(checks.first, found), readings, why)


def _measure(changed: str, measure: Callable[[], Found]) -> Found | str:
    step(f"determinism: {changed}")
    try:
        return measure()
    except MeasurementError as error:
        return str(error)
    except Exception as error:  # vLLM changes some classes of transformers in place: such a model fails here
        return f"{type(error).__name__}: {one_line(error)}"


def raw_tokens(first: Run, found: Mapping[str, Found]) -> Json:
    """Every check's tokens, run by run, and those they were compared with."""
    baselines = {"first": tokens_of(first)} | {one.against: tokens_of(one.baseline) for one in found.values()}
    baselines["first"] = tokens_of(first)  # whole, where a check compared a part
    return {
        "baselines": baselines,
        "checks": {n: {"against": f.against, "runs": [tokens_of(run) for run in f.runs]} for n, f in found.items()},
    }


def _kept(found: Found) -> list[Difference]:
    """The differences that are explained: the first of each prompt, then others up to SHOWN."""
    every = differences(found)
    firsts = list({d.case: d for d in reversed(every)}.values())[::-1]
    others = [d for d in every if d not in firsts]
    return firsts + others[: max(0, SHOWN - len(firsts))]


def _readings(checks: Checks, found: Mapping[str, Found]) -> tuple[Readings | None, str]:
    """What the reference reads: the long outputs of every mode, and the baselines of checks that differ."""
    outputs: dict[str, tuple[Mapping[str, Sequence[int]], Run]] = {
        mode: (checks.asked, run) for mode, run in checks.by_mode.items()
    }
    parted: dict[Name, set[int]] = {}
    for one in found.values():
        for difference in _kept(one):
            name = one.against
            if name not in outputs or len(one.baseline[difference.case].token_ids) > len(
                outputs[name][1][difference.case].token_ids
            ):
                outputs[name] = (one.asked, one.baseline)
            parted.setdefault((name, difference.case), set()).add(difference.position)
    try:
        return explaining.read(checks.job.params, checks.reader, outputs, parted), ""
    except MeasurementError as error:
        return None, str(error)
    except Exception as error:  # as above
        return None, f"{type(error).__name__}: {one_line(error)}"


def _row(
    name: str, changed: str, one: Found | str, readings: Readings | None, why: str, dtype: str, text: TokenText
) -> Check:
    if isinstance(one, str):
        return Check(rung=name, changed=changed, holds_with=holds_with(name), **nulls(_MEASURED, one))
    rows = tuple(explaining.explain(d, one, readings or Readings(), dtype, text) for d in _kept(one))
    explained, unexplained, no_verdict = _explained(rows, why)
    return Check(
        rung=name,
        changed=changed,
        holds_with=holds_with(name),
        against=one.against,
        **counts(one),
        **one.more,
        first_divergence=rows[0] if rows else None,
        first_divergence_why=None if rows else _SAME,
        divergences=rows or None,
        explained=explained,
        explained_why=no_verdict,
        unexplained=unexplained,
        unexplained_why=no_verdict,
    )


def _explained(rows: Sequence[Divergence], why: str) -> tuple[int | None, int | None, str | None]:
    """Prompts whose differences all lie within the noise, and prompts with one beyond it; or why that is unknown."""
    if any(row.verdict is None for row in rows):
        reason = why or next(row.verdict_why for row in rows if row.verdict is None) or "no verdict"
        return None, None, reason
    beyond = {row.case for row in rows if row.verdict == "unexplained"}
    return len({row.case for row in rows} - beyond), len(beyond), None
