"""Fewer questions where `run.budget_minutes` does not allow all of them, and what was left out."""

from __future__ import annotations

from functools import cache

from evalpress.params.schema import HumanEvalParams, LmEvalParams, QualityParams
from evalpress.sections.fewer import Words, count, told
from evalpress.sections.quality.cases import Case, load_cases
from evalpress.sections.quality.human_eval import PROBLEMS

MIN_CASES, MIN_PROBLEMS = 2, 10


@cache
def cases_of(file: str) -> tuple[Case, ...]:
    """All cases of a file, read once."""
    return load_cases((file,))


def scaled(asked: QualityParams, factor: float) -> tuple[QualityParams, Words]:
    """The questions in about `factor` of their time; all of them from 1 on. Every file of cases stays in it."""
    if factor >= 1:
        return asked, ()
    human_eval, fewer_problems = _fewer_problems(asked.human_eval, factor)
    lm_eval, fewer_items = _fewer_items(asked.lm_eval, factor)
    limit, fewer_cases = _fewer_cases(asked, factor)
    changes = {"human_eval": human_eval, "lm_eval": lm_eval, "limit": limit}
    return asked.model_copy(update=changes), fewer_cases + fewer_problems + fewer_items


def _fewer_cases(asked: QualityParams, factor: float) -> tuple[int | None, Words]:
    """The same number of cases of each file at most."""
    there = [len(cases_of(file)[: asked.limit]) for file in asked.cases]
    if not there:
        return asked.limit, ()
    limit = count(max(there), factor, MIN_CASES)
    kept = sum(min(cases, limit) for cases in there)
    return (limit, told(sum(there), kept, "cases")) if kept < sum(there) else (asked.limit, ())


def _fewer_problems(asked: HumanEvalParams, factor: float) -> tuple[HumanEvalParams, Words]:
    if not asked.run:
        return asked, ()
    every = asked.limit or PROBLEMS
    limit, samples = count(every, factor, MIN_PROBLEMS), count(asked.samples, factor, 0)
    if (limit, samples) == (every, asked.samples):
        return asked, ()
    said = told(every, limit, "HumanEval problems") + told(asked.samples, samples, "samples per problem")
    return asked.model_copy(update={"limit": limit, "samples": samples}), said


def _fewer_items(asked: LmEvalParams, factor: float) -> tuple[LmEvalParams, Words]:
    """Only where the set limits the items: how many a task has is not known before it is loaded."""
    if not asked.tasks or asked.limit is None:
        return asked, ()
    limit = count(asked.limit, factor, MIN_PROBLEMS)
    return asked.model_copy(update={"limit": limit}), told(asked.limit, limit, "items of every standard task")
