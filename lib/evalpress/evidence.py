"""The evidence section: what the model answers at temperature 0, and whether it answers the same again."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from evalpress import engine, model, prompts
from evalpress.engine import Completion, Engine, Sampling
from evalpress.job import Job
from evalpress.params.schema import Mode
from evalpress.progress import step
from evalpress.prompts import Prompt

Answers = dict[str, Completion]
Rung = tuple[str, str, Answers]
"""Name, what was changed, and the answers."""


def measure(job: Job) -> dict[str, Any]:
    """Answer every prompt alone, then climb the determinism ladder; every rung's tokens go to `results/raw`."""
    p = job.params
    cases = prompts.load(p.evidence.prompts)
    step(f"loading the {p.evidence.mode} engine")
    main = engine.get(p, p.evidence.mode)
    is_base, how = model.base_model(p)
    rendered = {case.id: render(main, case, base=is_base) for case in cases}
    sampling = Sampling(max_tokens=p.evidence.max_tokens)
    # A first request may still compile kernels: it is not the one that is timed.
    _alone(main, cases[:1], rendered, sampling)
    step("answering alone, one by one")
    first = _alone(main, cases, rendered, sampling)
    rungs = _ladder(job, main, cases, rendered, sampling)
    raw = {"first": _tokens(first)} | {name: _tokens(answers) for name, _, answers in rungs}
    job.raw("tokens", raw)
    return {
        "mode": p.evidence.mode,
        "sampling": {"temperature": 0.0, "max_tokens": p.evidence.max_tokens},
        "base_model": is_base,
        "base_model_how": how,
        "cases": [_case(case, rendered[case.id], first[case.id]) for case in cases],
        "determinism": [compare(name, words, first, answers) for name, words, answers in rungs],
        "first_tokens": _first_tokens(p.evidence.mode, first, rungs),
        "note": base_note(is_base, p.model.instruct_model),
    }


def render(loaded: Engine, case: Prompt, *, base: bool) -> str:
    """The text that is sent: as it stands for a base model, through the chat template otherwise."""
    if base:
        return case.text
    tokenizer = loaded.llm.get_tokenizer()
    message = [{"role": "user", "content": case.text}]
    return str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True))


def base_note(is_base: bool, instruct_model: str | None) -> str:
    """What a reader must know about the outputs of a base model; empty for an instruct model."""
    if not is_base:
        return ""
    hint = f" For dialogue, use {instruct_model}." if instruct_model else ""
    return (
        "This is a base model: it continues text and was not tuned to follow instructions. Outputs that fill a "
        "blank, offer answer choices or run on are its normal behaviour, not a fault of inference." + hint
    )


def _alone(loaded: Engine, cases: Sequence[Prompt], rendered: dict[str, str], sampling: Sampling) -> Answers:
    return {case.id: loaded.generate([rendered[case.id]], sampling)[0] for case in cases}


def _together(loaded: Engine, cases: Sequence[Prompt], rendered: dict[str, str], sampling: Sampling) -> Answers:
    outputs = loaded.generate([rendered[case.id] for case in cases], sampling)
    return {case.id: output for case, output in zip(cases, outputs, strict=True)}


def _ladder(
    job: Job, main: Engine, cases: Sequence[Prompt], rendered: dict[str, str], sampling: Sampling
) -> list[Rung]:
    p = job.params
    shuffled = random.Random(p.engine.seed).sample(list(cases), len(cases))
    todo: list[tuple[str, str, Callable[[], Answers]]] = [
        (
            "same_engine_again",
            "the same engine, asked again, one by one",
            lambda: _alone(main, cases, rendered, sampling),
        ),
        ("batch_of_all", "all prompts in one batch", lambda: _together(main, cases, rendered, sampling)),
        (
            "shuffled_batch",
            "one batch in another order",
            lambda: _together(main, shuffled, rendered, sampling),
        ),
    ]
    other: list[Mode] = [mode for mode in p.engine.modes if mode != p.evidence.mode]
    for mode in other:
        name = f"{p.evidence.mode}_against_{mode}"
        todo.append((name, f"the {mode} engine", partial(_of_mode, job, mode, cases, rendered, sampling)))
    done = []
    for name, words, answer in todo:
        step(f"determinism: {words}")
        done.append((name, words, answer()))
    return done


def _of_mode(job: Job, mode: Mode, cases: Sequence[Prompt], rendered: dict[str, str], sampling: Sampling) -> Answers:
    return _alone(engine.get(job.params, mode), cases, rendered, sampling)


def _first_tokens(mode: Mode, first: Answers, rungs: Sequence[Rung]) -> dict[str, dict[str, int]]:
    """Mode -> case -> first token, of every engine that answered; cases with an empty answer are left out."""
    against = f"{mode}_against_"
    others = {name.removeprefix(against): answers for name, _, answers in rungs if name.startswith(against)}
    return {
        engine_mode: {case: answer.token_ids[0] for case, answer in answers.items() if answer.token_ids}
        for engine_mode, answers in ({mode: first} | others).items()
    }


def _tokens(answers: Answers) -> dict[str, list[int]]:
    return {name: list(answer.token_ids) for name, answer in answers.items()}


def compare(rung: str, words: str, first: Answers, again: Answers) -> dict[str, Any]:
    """One rung: how many cases gave the same tokens, and where the first that did not diverged."""
    differing = [(name, divergence(first[name].token_ids, again[name].token_ids)) for name in first]
    found = [(name, at) for name, at in differing if at is not None]
    row: dict[str, Any] = {
        "rung": rung,
        "changed": words,
        "identical": len(first) - len(found),
        "of": len(first),
    }
    if not found:
        return row | {"first_divergence": None, "first_divergence_why": "all outputs are identical"}
    name, at = found[0]
    a, b = first[name].token_ids, again[name].token_ids
    ends = "(end)"
    return row | {
        "first_divergence": {
            "case": name,
            "position": at,
            "token": a[at] if at < len(a) else ends,
            "other_token": b[at] if at < len(b) else ends,
        }
    }


def divergence(a: Sequence[int], b: Sequence[int]) -> int | None:
    """The first position at which two token sequences differ; None when they are the same."""
    if tuple(a) == tuple(b):
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _case(case: Prompt, rendered: str, answer: Completion) -> dict[str, Any]:
    return {
        "id": case.id,
        "group": case.group,
        "prompt": case.text,
        "rendered_prompt": rendered,
        "prompt_token_ids": list(answer.prompt_token_ids),
        "output": answer.text,
        "output_token_ids": list(answer.token_ids),
        "finish_reason": answer.finish_reason,
        "ttft_s": answer.timing.ttft,
        "latency_s": answer.timing.e2el,
        "sha256": hashlib.sha256(answer.text.encode()).hexdigest(),
    }
