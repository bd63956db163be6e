"""The quality section: the model answers, then rules judge; stored answers are judged again without the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evalpress import engine
from evalpress.core.errors import UserError
from evalpress.core.hashing import digest
from evalpress.core.plain import Json
from evalpress.core.progress import step
from evalpress.engine import Sampling
from evalpress.model import chat
from evalpress.sections import staleness
from evalpress.sections.job import Job, Stages, completed
from evalpress.sections.quality import judging, paired, programming, sandbox, standard
from evalpress.sections.quality.cases import Case
from evalpress.sections.quality.results import Kind, Results, SandboxFound

Answers = dict[str, Json]
"""Case -> its request and answer, as kept in `results/raw`."""
_ANSWERING = ("evalpress.engine", "evalpress.model.chat")
"""The modules whose code decides an answer."""


def measure(job: Job) -> Results:
    """Judge every case's answer.

    Answers that the same model and settings gave to the same request are kept, so that a changed rule or a
    person's verdict does not run the model again.
    """
    return completed(stages(job))


def stages(job: Job) -> Stages[Results]:
    """`measure` in stages, each with what it found: the answers, their verdicts, then standard tasks and HumanEval."""
    params = job.params
    cases = judging.load_cases(params.quality.cases, params.quality.limit)
    made_with = _made_with(job)
    kept = {} if job.measure == "always" else _kept(job, made_with)
    asking = chat.describe(params)
    kind: Kind = "base" if asking.base_model else "chat"
    asked = {request["id"]: request for request in judging.requests(cases, kind)}
    missing = [case for case in cases if kept.get(case.id, {}).get("request") != asked[case.id]]
    if missing:
        kept |= _answers(job, missing, asked, kind)
    job.raw("answers", {"made_with": made_with, "answers": {case.id: kept[case.id] for case in cases}})
    yield "answers", {case.id: kept[case.id]["output"] for case in cases}
    step("judging")
    outputs = {name: {k: v for k, v in answer.items() if k != "request"} for name, answer in kept.items()}
    reviews = judging.load_reviews(judging.path_of(params.set))
    judged = judging.judge(cases, outputs, reviews, kind)
    yield "verdicts", dict(Counter(case.verdict for case in judged))
    tasks, no_tasks = standard.measure(job, made_with)
    items = paired.outcomes(job.read_raw(standard.RAW)) if tasks else None
    other, margin = params.quality.compare_with, params.quality.compare_margin
    human_eval, no_human_eval = programming.measure(job, made_with, kind)
    return Results(
        cases=judged,
        by_category=judging.summarise(judged),
        overall=judging.tally(judged),
        sandbox=SandboxFound.model_validate(sandbox.describe()),
        **dict(asking),
        standard_tasks=tasks,
        standard_tasks_why=no_tasks,
        human_eval=human_eval,
        human_eval_why=no_human_eval,
        comparison=None if other is None else paired.compare(judged, items, other, margin),
        comparison_why=None if other is not None else "the set names no other report (quality.compare_with)",
        mode=params.quality.mode,
        asked_now=len(missing),
        kept_answers=len(cases) - len(missing),
    )


def decide(job: Job, case: str, verdict: str, reviewer: str, comment: str = "") -> None:
    """Record a person's verdict on the output that this report shows; the next run of the notebook judges with it.

    Raises:
        UserError: as `section.record`.
    """
    judging.record(job.params.set, case, verdict, reviewer, comment, job.folder.parent)


def _made_with(job: Job) -> str:
    """Digest of everything but the request that decides an answer."""
    read = job.params.model_dump(mode="json")
    return digest(
        [read["model"], read["platform"], read["engine"], job.params.quality.mode]
        + [staleness.model_digest(job.params), staleness.engine_digest(job.params)]
        + [*map(staleness.library_digest, _ANSWERING)]
    )


def _kept(job: Job, made_with: str) -> Answers:
    try:
        stored = job.read_raw("answers")
    except UserError:
        return {}
    return dict(stored["answers"]) if stored.get("made_with") == made_with else {}


def _answers(job: Job, cases: Sequence[Case], asked: dict[str, Json], kind: Kind) -> Answers:
    step(f"loading the {job.params.quality.mode} engine")
    loaded = engine.get(job.params, job.params.quality.mode)
    step(f"answering {len(cases)} cases")
    formatter = chat.formatter(job.params, loaded.llm.get_tokenizer())
    prompts = [formatter.render(case.prompt) for case in cases]
    found = loaded.generate([prompt.token_ids for prompt in prompts], [_sampling(job, case, kind) for case in cases])
    return {
        case.id: {
            "request": asked[case.id],
            "rendered_prompt": prompt.text,
            "output": answer.text,
            "output_token_ids": list(answer.token_ids),
            "finish_reason": answer.finish_reason,
            "latency_s": answer.timing.e2el,
        }
        for case, prompt, answer in zip(cases, prompts, found, strict=True)
    }


def _sampling(job: Job, case: Case, kind: Kind) -> Sampling:
    drawn = case.sampling_for(kind)
    return Sampling(drawn.max_tokens, drawn.temperature, stop=tuple(drawn.stop), seed=job.params.engine.seed)
