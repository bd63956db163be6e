"""Fewer questions where `run.budget_minutes` does not allow all of them, and what was left out."""

from __future__ import annotations

from evalpress.params.schema import HumanEvalParams, LmEvalParams, QualityParams
from evalpress.sections.fewer import Words, count, gone, thinned, told
from evalpress.sections.quality.human_eval import PROBLEMS

MIN_PROBLEMS = 10


def scaled(asked: QualityParams, factor: float) -> tuple[QualityParams, Words]:
    """The questions in about `factor` of their time; all of them from 1 on.

    Problems and items of standard tasks are left out first; below a half, whole files of cases too (the first and the
    last stay), because a file is one field of skill and its cases count together.
    """
    if factor >= 1:
        return asked, ()
    human_eval, fewer_problems = _fewer_problems(asked.human_eval, factor)
    lm_eval, fewer_items = _fewer_items(asked.lm_eval, factor)
    cases = thinned(asked.cases, 2 * factor)
    changes = {"human_eval": human_eval, "lm_eval": lm_eval, "cases": cases}
    said = fewer_problems + fewer_items + gone(asked.cases, cases, "cases of these files")
    return asked.model_copy(update=changes), said


def _fewer_problems(asked: HumanEvalParams, factor: float) -> tuple[HumanEvalParams, Words]:
    if not asked.run:
        return asked, ()
    every = asked.limit or PROBLEMS
    limit, samples = count(every, factor, MIN_PROBLEMS), count(asked.samples, factor, 0)
    said = told(every, limit, "HumanEval problems") + told(asked.samples, samples, "samples per problem")
    return asked.model_copy(update={"limit": limit, "samples": samples}), said


def _fewer_items(asked: LmEvalParams, factor: float) -> tuple[LmEvalParams, Words]:
    """Only where the set limits the items: how many a task has is not known before it is loaded."""
    if not asked.tasks or asked.limit is None:
        return asked, ()
    limit = count(asked.limit, factor, MIN_PROBLEMS)
    return asked.model_copy(update={"limit": limit}), told(asked.limit, limit, "items of every standard task")
