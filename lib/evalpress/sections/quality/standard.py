"""Standard tasks: lm-evaluation-harness on an engine of the set, its accuracy computed again by this suite."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from evalpress import engine, model
from evalpress import params as params_room
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest, file_digest
from evalpress.core.paths import resolve
from evalpress.core.plain import Json, Options
from evalpress.core.progress import step
from evalpress.engine import Engine, harness
from evalpress.model import chat
from evalpress.params.schema import LmEvalParams, Mode, Params
from evalpress.sections.job import Job
from evalpress.sections.quality.references import Reference, load_references
from evalpress.sections.quality.results import StandardTasks, TaskScore

RAW = "lm_eval"
RECOMPUTED = 500
"""Items of one task that this suite computes again, at most."""
_NOT_STATED = "the harness does not state it"
_WHY = {
    "stderr": "the harness gives none for this metric",
    "ours": "only the accuracy of multiple-choice tasks is computed again",
    "ours_n": "only the accuracy of multiple-choice tasks is computed again",
}


def measure(job: Job, made_with: str) -> tuple[StandardTasks | None, str | None]:
    """The scores, or None and the reason where there are none.

    The harness's own result is kept in `results/raw` and used again as long as model, settings and tasks are the same.

    Args:
        made_with: digest of everything outside the tasks that decides an answer.
    """
    wanted = job.params.quality.lm_eval
    if not wanted.tasks:
        return None, "the set names no standard task (quality.lm_eval.tasks)"
    if harness.version() is None:
        return None, f"lm-evaluation-harness is not installed: {harness.INSTALL}"
    made_from = digest([made_with, harness.version(), wanted.model_dump(mode="json"), _files(job.params)])
    try:
        kept = _kept(job, made_from) or _evaluated(job, wanted, made_from)
    except MeasurementError as error:
        return None, str(error)
    return report(kept, references_of(job.params)), None


def references_of(params: Params) -> list[Reference]:
    """The published scores of the set's model."""
    path = params.quality.lm_eval.references
    return [one for one in load_references(path) if one.model == params.model.path] if path else []


def _files(params: Params) -> list[str]:
    """Digests of the set's own task files."""
    return [
        file_digest(resolve(name))
        for key, name in params_room.referenced_files(params)
        if key[:3] == ("quality", "lm_eval", "include_path")
    ]


def _kept(job: Job, digest: str) -> Json | None:
    try:
        stored: Json = job.read_raw(RAW)
    except UserError:
        return None
    return stored if stored.get("made_with") == digest and job.measure != "always" else None


def _evaluated(job: Job, wanted: LmEvalParams, digest: str) -> Json:
    """Load an engine that gives log-probabilities, run the harness, compute again, keep all of it."""
    p = job.params
    # Eager engines load in seconds; the harness makes its own batches in either mode.
    mode: Mode = "eager" if "eager" in p.engine.modes else p.quality.mode
    folder = str(model.resolve(p))
    options: Options = {
        "num_fewshot": wanted.num_fewshot,
        "limit": wanted.limit,
        "apply_chat_template": not chat.describe(p).base_model,
        "random_seed": p.engine.seed,
        "numpy_random_seed": p.engine.seed,
        "torch_random_seed": p.engine.seed,
        "fewshot_random_seed": p.engine.seed,
    }
    step(f"lm-evaluation-harness: loading its {mode} engine")
    with engine.fresh(p, mode, logprobs_mode="raw_logprobs") as loaded:
        step(f"lm-evaluation-harness: {', '.join(wanted.tasks)}")
        result = harness.evaluate(loaded, folder, wanted.tasks, wanted.include_path, options)
        kept: Json = {
            "made_with": digest,
            "harness": harness.version(),
            "mode": mode,
            "ours": {
                task: _recomputed(loaded, samples)
                for task, samples in result["samples"].items()
                if result["configs"][task].get("output_type") == "multiple_choice" and _have_contexts(samples)
            },
            "result": _plain(result),
        }
    job.raw(RAW, kept)
    return kept


def _have_contexts(samples: Sequence[Json]) -> bool:
    """Without a context, the first token's probability depends on which token a harness puts before it."""
    return all(context.strip() for sample in samples for context, _ in sample["arguments"])


def _recomputed(loaded: Engine, samples: Sequence[Json]) -> Json:
    """Which choice has the highest log-likelihood, item by item, without the harness's code.

    A context and its continuation are tokenised as one text; where tokens merge across the border, the
    continuation begins after the context's own tokens, as in the harness.
    """
    several: list[tuple[list[int], list[int]]] = []
    some = samples[:RECOMPUTED]
    for sample in some:
        for context, continuation in sample["arguments"]:
            # A space at the end of a context belongs to the first word of what follows.
            stripped = context.rstrip(" ")
            whole, before = loaded.tokenize(context + continuation), loaded.tokenize(stripped)
            several.append((whole[: len(before)], whole[len(before) :]))
    likelihoods = iter(loaded.log_likelihoods(several))
    right = {}
    for sample in some:
        values = [next(likelihoods) for _ in sample["arguments"]]
        right[str(sample["doc_id"])] = int(values.index(max(values)) == int(sample["target"]))
    return {"right": right, "n": len(right), "accuracy": sum(right.values()) / len(right)}


def report(kept: Json, references: Sequence[Reference]) -> StandardTasks:
    """Each task and metric with its standard error, ours, and what others published."""
    result = kept["result"]
    rows = [
        _row(kept, task, key, references)
        for task, metrics in result["results"].items()
        for key in metrics
        if "," in key and "_stderr," not in key and isinstance(metrics[key], int | float)
    ]
    name = f"lm-evaluation-harness {kept['harness']}"
    return StandardTasks(harness=name, mode=kept["mode"], rows=rows, raw=f"raw/quality-{RAW}.json")


def _row(kept: Json, task: str, key: str, references: Sequence[Reference]) -> TaskScore:
    result, (metric, filtered) = kept["result"], key.split(",", 1)
    metrics = result["results"][task]
    error = metrics.get(f"{metric}_stderr,{filtered}")
    ours = (kept["ours"].get(task) if metric == "acc" else None) or {}
    measured = {
        "stderr": error if isinstance(error, int | float) else None,
        "n": result.get("n-samples", {}).get(task, {}).get("effective"),
        "n_shot": result.get("n-shot", {}).get(task),
        "version": result.get("versions", {}).get(task),
        "output_type": result.get("configs", {}).get(task, {}).get("output_type"),
        "ours": ours.get("accuracy"),
        "ours_n": ours.get("n"),
    }
    why: Json = {f"{name}_why": _WHY.get(name, _NOT_STATED) for name, value in measured.items() if value is None}
    return TaskScore(
        task=task,
        metric=metric,
        filter=filtered,
        value=metrics[key],
        published=[one.published() for one in references if (one.task, one.metric) == (task, metric)],
        **measured,
        **why,
    )


def _plain(value: Any) -> Any:
    """The harness's result as JSON: what JSON cannot hold becomes text, numbers that are none become null."""
    return _finite(json.loads(json.dumps(value, default=str, ensure_ascii=False)))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
