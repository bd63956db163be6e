"""The evidence section: every prompt answered alone at temperature 0, then the determinism checks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from evalpress import engine
from evalpress.core.progress import step
from evalpress.engine import Completion, Sampling
from evalpress.model import chat
from evalpress.model.chat import RenderedPrompt
from evalpress.params import prompts
from evalpress.params.prompts import Prompt
from evalpress.params.schema import Mode
from evalpress.sections.evidence import abnormal, checks, determinism, reliance, settings
from evalpress.sections.evidence.comparing import Run
from evalpress.sections.evidence.determinism import Outcome
from evalpress.sections.evidence.reading import Reader
from evalpress.sections.evidence.remarks import base_note, remarks
from evalpress.sections.evidence.results import AbnormalOutputs, Alarm, Case, Results, Settings
from evalpress.sections.job import Job, Stages, completed


def measure(job: Job) -> Results:
    """Answer every prompt alone, then run the determinism checks; every check's tokens go to `results/raw`."""
    return completed(stages(job))


def stages(job: Job) -> Stages[Results]:
    """`measure` in stages, each with what it found: the answers, then the determinism checks."""
    p = job.params
    cases = prompts.load(p.evidence.prompts)
    step(f"loading the {p.evidence.mode} engine")
    main = engine.get(p, p.evidence.mode)
    tokenizer = main.tokenizer
    formatter = chat.formatter(p, tokenizer)
    asked = {case.id: formatter.render(case.text) for case in cases}
    sampling = Sampling(max_tokens=p.evidence.max_tokens)
    # A first request may still compile kernels: it is not timed.
    main.generate([asked[cases[0].id].token_ids], sampling)
    step("answering alone, one by one")
    ids = {name: one.token_ids for name, one in asked.items()}
    first = checks.completions_alone(main, ids, sampling)
    yield "answers", {name: done.text for name, done in first.items()}
    with Reader(p) as reader:  # after the timed requests
        tried = checks.Checks(job, ids, reader)
        outcome = determinism.run(tried, lambda token: str(tokenizer.decode([token])))
    yield "identical outputs", {row.rung: f"{row.identical} of {row.of}" for row in outcome.rows}
    job.raw("tokens", outcome.raw | {"cases": {name: list(done.token_ids) for name, done in first.items()}})
    described = chat.describe(p)
    base = described.base_model
    prompted = {name: one.text for name, one in asked.items()}
    return Results(
        mode=p.evidence.mode,
        sampling=Settings(
            temperature=0.0,
            max_tokens=p.evidence.max_tokens,
            check_tokens=p.evidence.check_tokens,
            repeats=p.evidence.repeats,
        ),
        **dict(described),
        cases=tuple(_case(case, asked[case.id], first[case.id], base=base) for case in cases),
        determinism=outcome.rows,
        reliance=reliance.sentence(outcome.rows),
        abnormal=tuple(_abnormal(mode, run, prompted, tokenizer, outcome) for mode, run in tried.by_mode.items()),
        first_tokens=first_tokens(p.evidence.mode, first, tried.by_mode),
        determinism_settings=settings.in_force(p),
        note=base_note(base, p.model.instruct_model),
    )


def first_tokens(mode: Mode, first: dict[str, Completion], by_mode: dict[Mode, Run]) -> dict[str, dict[str, int]]:
    """Mode -> case -> first token, of both engines where both answered; cases with an empty answer are left out."""
    answered: dict[str, dict[str, Sequence[int]]] = {
        other: {case: one.token_ids for case, one in run.items()} for other, run in by_mode.items()
    }
    answered[mode] = {case: done.token_ids for case, done in first.items()}
    return {one: {case: ids[0] for case, ids in found.items() if ids} for one, found in answered.items()}


def _abnormal(mode: Mode, run: Run, prompted: dict[str, str], tokenizer: Any, outcome: Outcome) -> AbnormalOutputs:
    """Signs of a broken engine in the long outputs of one mode."""
    alarms: list[Alarm] = []
    worst: int | None = None
    for case, one in run.items():
        ranks = outcome.readings.ranks.get((mode, case), []) if outcome.readings else []
        worst = max([*ranks, worst or 1]) if ranks else worst
        text = str(tokenizer.decode(list(one.token_ids)))
        found = abnormal.scan(text, one.token_ids, ranks, prompt=prompted[case], cut=True)
        alarms += [_alarm(case, alarm, ranks, outcome.readings_why) for alarm in found]
    return AbnormalOutputs(
        mode=mode,
        outputs=len(run),
        tokens=sum(len(one.token_ids) for one in run.values()),
        alarms=tuple(alarms),
        worst_rank=worst,
        worst_rank_why=None if worst is not None else outcome.readings_why or "no output token has a rank",
    )


def _alarm(case: str, alarm: abnormal.Alarm, ranks: Sequence[int], why: str) -> Alarm:
    """The alarm with whether it is a habit of the model: the reference's best token at nearly every position."""
    if not ranks:
        habit, habit_why = None, why or "the reference did not read this output"
    else:
        other = sum(rank > 1 for rank in ranks)
        habit, habit_why = alarm.kind != "token_rank" and other <= abnormal.MAX_RANK_SHARE * len(ranks), None
    return Alarm(
        case=case,
        kind=alarm.kind,
        start=alarm.start,
        end=alarm.end,
        found=alarm.found,
        habit=habit,
        habit_why=habit_why,
    )


def _case(case: Prompt, asked: RenderedPrompt, answer: Completion, *, base: bool) -> Case:
    return Case(
        id=case.id,
        group=case.group,
        prompt=case.text,
        rendered_prompt=asked.text,
        prompt_token_ids=answer.prompt_token_ids,
        output=answer.text,
        output_token_ids=answer.token_ids,
        finish_reason=answer.finish_reason,
        remarks=tuple(remarks(answer.text, answer.finish_reason, base=base)),
        ttft_s=answer.timing.ttft,
        latency_s=answer.timing.e2el,
        sha256=hashlib.sha256(answer.text.encode("utf-8", "surrogatepass")).hexdigest(),
    )
