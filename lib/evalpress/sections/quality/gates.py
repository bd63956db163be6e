"""What must hold of the quality section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, gate, limit
from evalpress.sections.quality.results import Results

MOST_CUT = 0.05
"""Share of answers cut at their limit above which the pass rate is not meaningful."""


def gates(params: Params, data: Results) -> Iterator[Gate]:
    """The gates of the quality section."""
    all_cases = data.overall
    found = limit("quality", "pass_rate", all_cases.pass_rate, params.gates.quality_pass_rate_min, at_least=True)
    yield found.model_copy(update={"n": all_cases.decided})
    waiting = all_cases.needs_review
    yield gate("quality", "reviews_pending", "warn" if waiting else "pass", waiting, "0 cases waiting for a person")
    many = all_cases.cut > MOST_CUT * all_cases.n
    reached = sum(case.finish_reason == "length" for case in data.cases)
    allowed = f"at most {MOST_CUT:.0%} of {all_cases.n} answers undecided at their limit"
    if reached != all_cases.cut:
        allowed += f", which {reached} reached"
    yield gate("quality", "answers_cut", "warn" if many else "pass", all_cases.cut, allowed)
    if all_cases.errors:
        yield gate("quality", "rules_failed", "fail", all_cases.errors, "0 rules that raise an exception")
