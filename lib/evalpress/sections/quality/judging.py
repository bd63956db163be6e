"""The quality section's numbers: outputs judged by rules and people, pass rates with intervals.

Independent of how the outputs were made, so that a changed rule or a person's verdict judges stored outputs
again without the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from evalpress.core import stats
from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Json
from evalpress.core.results import nulls
from evalpress.sections.quality.cases import CATEGORIES, Case, load_cases
from evalpress.sections.quality.checkers import Judgement, Kind
from evalpress.sections.quality.checkers.answers import without_reasoning
from evalpress.sections.quality.checkers.text import Repetition
from evalpress.sections.quality.results import JudgedCase, PersonVerdict, SamplingUsed, Tally, Verdict
from evalpress.sections.quality.reviews import Review, load_reviews, output_digest, path_of, pending, record

__all__ = [
    "judge",
    "load_cases",
    "load_reviews",
    "path_of",
    "pending",
    "record",
    "requests",
    "summarise",
    "tally",
    "verdict",
]

_UNDECIDED = "no case is decided yet"


def requests(cases: Iterable[Case], kind: Kind) -> list[Json]:
    """What the model is asked, as kept with its answer. An output made from an equal request may be judged again."""
    return [{"id": case.id, "prompt": case.prompt, "sampling": case.sampling_for(kind).model_dump()} for case in cases]


def verdict(case: Case, output: str, finish_reason: str | None, kind: Kind) -> Judgement:
    """The rule's verdict on one output; the rule is the class in `checkers` that is registered under its printed name.

    An output that reached its limit (`finish_reason` is `length`) and whose verdict a continuation could change is
    `cut`: its end is unknown, so that it is neither right nor wrong. A chat model's reasoning is not judged, and an
    answer of it that repeats one phrase until its limit fails.
    """
    text = without_reasoning(output) if kind == "chat" else output
    found = case.rule(kind).judge(text)
    if found.verdict == "error":
        return found
    loop = Repetition().judge(text) if kind == "chat" else None
    if loop and loop.verdict == "fail" and found.verdict == "pass":
        return Judgement("needs_review", f"the answer {loop.reason}: {found.reason}")
    if finish_reason != "length" or found.settled:
        return found
    if loop and loop.verdict == "fail":
        return Judgement("fail", f"the answer {loop.reason} until its limit ({found.reason})")
    return Judgement("cut", f"reached the limit of the answer's length before the rule was decided ({found.reason})")


def judge(
    cases: Sequence[Case], outputs: Mapping[str, Json], reviews: Mapping[str, Review], kind: Kind
) -> list[JudgedCase]:
    """Every case with its verdict, in order.

    Args:
        outputs: by case id, as kept in `results/raw`: `output` (text), and what else `JudgedCase` knows of an answer.
        reviews: by case id, as `load_reviews` returns them.
        kind: whether the model was asked through a chat template (chat) or with the text unchanged (base).

    Raises:
        MeasurementError: a case has no output.
    """
    return [_judged(case, outputs.get(case.id), reviews.get(case.id), kind) for case in cases]


def _judged(case: Case, answer: Json | None, review: Review | None, kind: Kind) -> JudgedCase:
    if answer is None:
        raise MeasurementError(f"quality: case {case.id!r} has no output")
    sha256 = output_digest(answer["output"])
    found = verdict(case, answer["output"], answer.get("finish_reason"), kind)
    by_rule = None if found.verdict == "error" else found.verdict
    why = found.reason if by_rule is None else None
    decided = _decided(by_rule, found.reason, sha256, review)
    (name, arguments), *_ = case.checker.items()
    return JudgedCase(
        id=case.id,
        category=case.category,
        group=case.group or "",
        language=case.language,
        prompt=case.prompt,
        prompt_kind=case.kind,
        sampling=SamplingUsed(**dict(case.sampling_for(kind))),
        **answer,
        sha256=sha256,
        checker=name,
        checker_args=arguments,
        rule=rule_text(case.checker),
        source=case.source,
        rule_verdict=by_rule,
        rule_verdict_why=why,
        verdict=decided.verdict,
        verdict_why=why,
        reason=decided.reason,
        decided_by=decided.by,
        review=decided.review,
        void_review=decided.void_review,
    )


@dataclass(frozen=True)
class _Decision:
    verdict: Verdict | None
    reason: str
    by: str
    review: PersonVerdict | None = None
    void_review: PersonVerdict | None = None


def _decided(by_rule: Verdict | None, reason: str, sha256: str, review: Review | None) -> _Decision:
    """The rule's verdict, or that of a person where the rule leaves it to one and the output is the one they saw."""
    if by_rule not in ("needs_review", None):
        return _Decision(by_rule, reason, "rule")
    if review is None or by_rule is None:
        return _Decision(by_rule, reason, "nobody yet")
    who = PersonVerdict(reviewer=review.reviewer, date=review.date, comment=review.comment, verdict=review.verdict)
    if review.sha256 != sha256:
        void = f"the verdict of {review.reviewer} ({review.date}) is void, because the output has changed"
        return _Decision(by_rule, f"{reason}; {void}", "nobody yet", void_review=who)
    reason = f"{reason}; {review.reviewer} ({review.date}): {review.verdict}"
    reason = f"{reason}, {review.comment}" if review.comment else reason
    return _Decision(review.verdict, reason, review.reviewer, review=who)


def rule_text(checker: Json) -> str:
    """A rule with its arguments on one line, as YAML."""
    return yaml.safe_dump(
        dict(checker), default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**9
    ).strip()


def summarise(judged: Iterable[JudgedCase]) -> dict[str, Tally]:
    """Counts and pass rate of each category that has cases, in the order of `CATEGORIES`."""
    by_category: dict[str, list[JudgedCase]] = {name: [] for name in CATEGORIES}
    for case in judged:
        by_category[case.category].append(case)
    return {name: tally(group) for name, group in by_category.items() if group}


def tally(judged: Sequence[JudgedCase]) -> Tally:
    """Counts of verdicts and the pass rate among the decided cases with its 95 % Wilson interval.

    A case that waits for a person, was cut or could not be judged is neither passed nor failed: it is left out of
    the rate and shown beside it.
    """
    counts = Counter(case.state for case in judged)
    decided = counts["pass"] + counts["fail"]
    left = _left_out(counts)
    if decided:
        low, high = stats.wilson_interval(counts["pass"], decided)
        rates: Json = {"pass_rate": counts["pass"] / decided, "ci_low": low, "ci_high": high}
        sizes = ((10, "a handful of cases"), (30, "a small sample"), (100, "a moderate sample"))
        size = next((words for limit, words in sizes if decided < limit), "a large sample")
        said = "; ".join([f"{counts['pass']} of {decided} decided cases pass, {size}", *left])
    else:
        rates = nulls(("pass_rate", "ci_low", "ci_high"), _UNDECIDED)
        said = f"{_UNDECIDED}: {', '.join(left)}"
    return Tally(
        n=len(judged),
        passed=counts["pass"],
        failed=counts["fail"],
        cut=counts["cut"],
        needs_review=counts["needs_review"],
        errors=counts["error"],
        decided=decided,
        **rates,
        in_words=said,
    )


def _left_out(counts: Mapping[str, int]) -> list[str]:
    waiting, cut, errors = counts["needs_review"], counts["cut"], counts["error"]
    texts = [f"{waiting} more wait{'s' if waiting == 1 else ''} for a person"] if waiting else []
    texts += [f"{cut} cut at the limit of their length"] if cut else []
    return texts + ([f"{errors} not judged, because the rule failed"] if errors else [])
