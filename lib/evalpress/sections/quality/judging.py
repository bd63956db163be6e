"""The quality section's numbers: outputs judged by rules and people, pass rates with intervals.

Independent of how the outputs were made, so that a changed rule or a person's verdict judges stored outputs
again without the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from evalpress.core import stats
from evalpress.core.errors import MeasurementError
from evalpress.sections.quality import sandbox
from evalpress.sections.quality.cases import CATEGORIES, Case, load_cases
from evalpress.sections.quality.reviews import Review, load_reviews, output_digest, path_of, pending, record

__all__ = [
    "judge",
    "load_cases",
    "load_reviews",
    "path_of",
    "pending",
    "record",
    "requests",
    "section_data",
    "summarise",
]


def requests(cases: Iterable[Case]) -> list[dict[str, Any]]:
    """What the model is asked: `id`, `prompt`, `sampling`. An output made from an equal request may be judged again."""
    return [{"id": case.id, "prompt": case.prompt, "sampling": case.sampling.model_dump()} for case in cases]


def judge(
    cases: Sequence[Case], outputs: Mapping[str, Mapping[str, Any]], reviews: Mapping[str, Review]
) -> list[dict[str, Any]]:
    """Every case with its verdict, in order.

    Args:
        outputs: by case id; `output` (text) is read, every other key (finish_reason, latency_s, …) is kept.
        reviews: by case id, as `load_reviews` returns them.

    Raises:
        MeasurementError: a case has no output.
    """
    return [_judged(case, outputs.get(case.id), reviews.get(case.id)) for case in cases]


def _judged(case: Case, answer: Mapping[str, Any] | None, review: Review | None) -> dict[str, Any]:
    if answer is None:
        raise MeasurementError(f"quality: case {case.id!r} has no output")
    output: str = answer["output"]
    found = case.rule.judge(output)
    (name, arguments), *_ = case.checker.items()
    judged = {
        "id": case.id,
        "category": case.category,
        "group": case.group or "",
        "language": case.language,
        "prompt": case.prompt,
        "sampling": case.sampling.model_dump(),
        **answer,
        "sha256": output_digest(output),
        "checker": name,
        "checker_args": arguments,
        "rule": rule_text(case.checker),
        "source": case.source,
        "rule_verdict": found.verdict,
        "verdict": found.verdict,
        "reason": found.reason,
        "decided_by": "rule" if found.verdict != "needs_review" else "nobody yet",
    }
    return judged | _by_person(judged, review)


def _by_person(judged: Mapping[str, Any], review: Review | None) -> dict[str, Any]:
    """What a person's verdict changes: nothing where a rule decides or where the output is another one."""
    if review is None or judged["rule_verdict"] != "needs_review":
        return {}
    who = {"reviewer": review.reviewer, "date": review.date, "comment": review.comment, "verdict": review.verdict}
    if review.sha256 != judged["sha256"]:
        void = f"the verdict of {review.reviewer} ({review.date}) is void, because the output has changed"
        return {"reason": f"{judged['reason']}; {void}", "void_review": who}
    reason = f"{judged['reason']}; {review.reviewer} ({review.date}): {review.verdict}"
    return {
        "verdict": review.verdict,
        "reason": f"{reason}, {review.comment}" if review.comment else reason,
        "decided_by": review.reviewer,
        "review": who,
    }


def rule_text(checker: Mapping[str, Any]) -> str:
    """A rule with its arguments on one line, as YAML."""
    return yaml.safe_dump(
        dict(checker), default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**9
    ).strip()


def summarise(judged: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Counts and pass rate of each category that has cases, in the order of `CATEGORIES`."""
    by_category: dict[str, list[Mapping[str, Any]]] = {name: [] for name in CATEGORIES}
    for case in judged:
        by_category[case["category"]].append(case)
    return {name: tally(group) for name, group in by_category.items() if group}


def tally(judged: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of verdicts and the pass rate among the decided cases with its 95 % Wilson interval.

    A case that waits for a person is neither passed nor failed: it is left out of the rate and shown beside it.
    """
    verdicts = [case["verdict"] for case in judged]
    counts = {name: verdicts.count(name) for name in ("pass", "fail", "needs_review")}
    decided = counts["pass"] + counts["fail"]
    row: dict[str, Any] = {"n": len(verdicts), **counts, "decided": decided}
    if not decided:
        why = "no case is decided yet"
        rates = dict.fromkeys(("pass_rate", "ci_low", "ci_high"))
        return row | rates | {f"{key}_why": why for key in rates} | {"in_words": f"{why}: {len(verdicts)} wait"}
    low, high = stats.wilson_interval(counts["pass"], decided)
    row |= {"pass_rate": counts["pass"] / decided, "ci_low": low, "ci_high": high}
    return row | {"in_words": _in_words(counts["pass"], decided, len(verdicts) - decided)}


def _in_words(passed: int, decided: int, waiting: int) -> str:
    sizes = ((10, "a handful of cases"), (30, "a small sample"), (100, "a moderate sample"))
    size = next((words for limit, words in sizes if decided < limit), "a large sample")
    waits = f"; {waiting} more wait{'s' if waiting == 1 else ''} for a person" if waiting else ""
    return f"{passed} of {decided} decided cases pass, {size}{waits}"


def section_data(
    cases: Sequence[Case], outputs: Mapping[str, Mapping[str, Any]], reviews: Mapping[str, Review]
) -> dict[str, Any]:
    """The section's `data`: judged cases, the table by category, the whole, and the sandbox that ran the code."""
    judged = judge(cases, outputs, reviews)
    return {
        "cases": judged,
        "by_category": summarise(judged),
        "overall": tally(judged),
        "sandbox": sandbox.describe(),
    }
