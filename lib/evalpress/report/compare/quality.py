"""Quality of two runs, paired case by case: what both were asked in the same words and judged by the same rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.stats import mcnemar_exact
from evalpress.report.compare.agreement import tested
from evalpress.report.compare.row import Row
from evalpress.report.compare.run import Run
from evalpress.sections.job import read_raw
from evalpress.sections.quality.paired import outcomes
from evalpress.sections.quality.results import JudgedCase


@dataclass(frozen=True)
class CaseChange:
    """A case on whose verdict the runs differ, with both answers."""

    id: str
    category: str
    prompt: str
    a: str
    b: str
    a_output: str
    b_output: str


def rows(a: Run, b: Run) -> Iterator[Row]:
    """Share passed of what both runs decided: all cases, each category, HumanEval, each standard task."""
    cases = _paired(a, b)
    if cases:
        yield from _judged("quality.pass_rate", _decided(cases), "cases")
        for category in dict.fromkeys(one.category for one, _ in cases):
            of_category = [pair for pair in cases if pair[0].category == category]
            yield from _judged(f"quality.{category}.pass_rate", _decided(of_category), "cases")
    yield from _judged("quality.human_eval.pass_at_1", _matched(_problems(a), _problems(b)), "problems")
    first, second = _tasks(a), _tasks(b)
    for task in first:
        if task in second:
            yield from _judged(f"quality.{task}.accuracy", _matched(first[task], second[task]), "items")


def changes(a: Run, b: Run) -> tuple[CaseChange, ...]:
    """Every paired case with another verdict, in the order of the first run."""
    return tuple(
        CaseChange(one.id, one.category, one.prompt, one.state, other.state, one.output, other.output)
        for one, other in _paired(a, b)
        if one.state != other.state
    )


def _paired(a: Run, b: Run) -> list[tuple[JudgedCase, JudgedCase]]:
    if "quality" not in a.sections or "quality" not in b.sections:
        return []
    second = {(case.id, case.prompt, case.rule): case for case in b.sections["quality"].data.cases}
    cases = a.sections["quality"].data.cases
    keys = [(case.id, case.prompt, case.rule) for case in cases]
    return [(case, second[key]) for case, key in zip(cases, keys, strict=True) if key in second]


def _decided(cases: list[tuple[JudgedCase, JudgedCase]]) -> list[tuple[bool, bool]]:
    return [
        (one.verdict == "pass", other.verdict == "pass")
        for one, other in cases
        if {one.verdict, other.verdict} <= {"pass", "fail"}
    ]


def _matched(a: Mapping[str, bool], b: Mapping[str, bool]) -> list[tuple[bool, bool]]:
    return [(right, b[name]) for name, right in a.items() if name in b]


def _problems(run: Run) -> dict[str, bool]:
    found = run.sections["quality"].data.human_eval if "quality" in run.sections else None
    return {} if found is None else {problem.task_id: problem.passed for problem in found.problems}


def _tasks(run: Run) -> Mapping[str, Mapping[str, bool]]:
    """Standard tasks, item by item; none where the run kept no raw answers of them."""
    found: Any = run.sections["quality"].data.standard_tasks if "quality" in run.sections else None
    if found is None:
        return {}
    try:
        return outcomes(read_raw(run.folder, "quality", "lm_eval"))
    except (UserError, LookupError, TypeError):
        return {}


def _judged(metric: str, pairs: list[tuple[bool, bool]], what: str) -> Iterator[Row]:
    if not pairs:
        return
    lost, won = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    p = mcnemar_exact(lost, won)
    shares = sum(x for x, _ in pairs) / len(pairs), sum(y for _, y in pairs) / len(pairs)
    why = f"McNemar's exact test over {len(pairs)} {what} decided in both: {lost} lost, {won} won, p = {p:.3g}"
    yield tested(metric, shares, p, why)
