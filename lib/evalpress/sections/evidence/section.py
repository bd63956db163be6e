"""The evidence section: every prompt answered alone at temperature 0, then the determinism ladder."""

from __future__ import annotations

import hashlib
from typing import Any

from evalpress import engine
from evalpress.core.progress import step
from evalpress.engine import Completion, Sampling
from evalpress.model import chat
from evalpress.model.chat import Asked
from evalpress.params import prompts
from evalpress.params.prompts import Prompt
from evalpress.params.schema import Mode
from evalpress.sections.evidence import ladder, rungs, settings
from evalpress.sections.evidence.remarks import base_note, remarks
from evalpress.sections.job import Job


def measure(job: Job) -> dict[str, Any]:
    """Answer every prompt alone, then climb the determinism ladder; every rung's tokens go to `results/raw`."""
    p = job.params
    cases = prompts.load(p.evidence.prompts)
    step(f"loading the {p.evidence.mode} engine")
    main = engine.get(p, p.evidence.mode)
    talk = chat.of(p, main.llm.get_tokenizer())
    asked = {case.id: talk.ask(case.text) for case in cases}
    sampling = Sampling(max_tokens=p.evidence.max_tokens)
    # A first request may still compile kernels: it is not the one that is timed.
    main.generate([asked[cases[0].id].token_ids], sampling)
    step("answering alone, one by one")
    ids = {name: one.token_ids for name, one in asked.items()}
    first = rungs.alone(main, ids, sampling)
    rows, raw = ladder.climb(rungs.Rungs(job, ids, sampling, first))
    job.raw("tokens", raw)
    described = chat.describe(p)
    base = described["base_model"]
    return {
        "mode": p.evidence.mode,
        "sampling": {"temperature": 0.0, "max_tokens": p.evidence.max_tokens},
        **described,
        "cases": [_case(case, asked[case.id], first[case.id], base=base) for case in cases],
        "determinism": rows,
        "first_tokens": first_tokens(p.evidence.mode, raw),
        "determinism_settings": settings.in_force(p),
        "note": base_note(base, p.model.instruct_model),
    }


def first_tokens(mode: Mode, raw: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Mode -> case -> first token, of both engines where both answered; cases with an empty answer are left out."""
    other = "compiled" if mode == "eager" else "eager"
    answers = {mode: raw["first"], other: raw.get("compiled_against_eager")}
    return {
        one: {case: tokens[0] for case, tokens in found.items() if tokens} for one, found in answers.items() if found
    }


def _case(case: Prompt, asked: Asked, answer: Completion, *, base: bool) -> dict[str, Any]:
    return {
        "id": case.id,
        "group": case.group,
        "prompt": case.text,
        "rendered_prompt": asked.text,
        "prompt_token_ids": list(answer.prompt_token_ids),
        "output": answer.text,
        "output_token_ids": list(answer.token_ids),
        "finish_reason": answer.finish_reason,
        "remarks": remarks(answer.text, answer.finish_reason, base=base),
        "ttft_s": answer.timing.ttft,
        "latency_s": answer.timing.e2el,
        "sha256": hashlib.sha256(answer.text.encode()).hexdigest(),
    }
