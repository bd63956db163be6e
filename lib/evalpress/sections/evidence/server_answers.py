"""The evidence prompts asked of a running server, for the rung `offline_against_server` of the determinism ladder.

The serving section asks while its server is up, the evidence section compares: a second server would cost as
much as everything else in that section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import requests

from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.model import chat
from evalpress.params import prompts
from evalpress.params.schema import Params
from evalpress.sections import staleness
from evalpress.sections.job import Job, read_raw

RAW = "evidence"
NEUTRAL = {"temperature": 0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""A server takes missing values from the model's generation_config.json; an offline engine does not."""


def ask(job: Job, base_url: str, served: str) -> None:
    """Ask every evidence prompt alone, as token ids, and keep the token ids that come back in `results/raw`.

    A server that gives none (an older one, or a refusal) is a finding: the reason is kept instead.
    """
    p = job.params
    kept: dict[str, Any] = {"asked_with": asked_with(p), "mode": p.serving.mode, "prompts": {}}
    try:
        if p.model.weights != "random":
            talk = chat.of(p)
            for prompt in prompts.load(p.evidence.prompts):
                ids = list(talk.ask(prompt.text).token_ids)
                kept["prompts"][prompt.id] = {"prompt_token_ids": ids} | _answer(p, base_url, served, ids)
    except MeasurementError as error:
        kept["prompts_why"] = str(error)
    job.raw(RAW, kept)


def _answer(p: Params, base_url: str, served: str, ids: list[int]) -> dict[str, Any]:
    body = {"model": served, "prompt": ids, "max_tokens": p.evidence.max_tokens, "return_token_ids": True, **NEUTRAL}
    try:
        reply = requests.post(f"{base_url}/v1/completions", json=body, timeout=300)
        choice = reply.json()["choices"][0]
        return {"token_ids": list(choice["token_ids"]), "text": str(choice["text"])}
    except (requests.RequestException, ValueError, LookupError, TypeError) as error:
        raise MeasurementError(f"the server gave no token ids: {type(error).__name__}: {error}") from None


def answers(job: Job, asked: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """By prompt id, the token ids that the serving section's server gave to the same prompts.

    Raises:
        MeasurementError: there are none, or they are of another model, other settings or other prompts.
    """
    try:
        kept = read_raw(job.folder, "serving", RAW)
    except UserError:
        raise MeasurementError("the serving section, which asks the server, has no results in this report") from None
    if kept["prompts"] == {} or "prompts_why" in kept:
        raise MeasurementError(kept.get("prompts_why", "the server was asked no evidence prompt"))
    if kept["asked_with"] != asked_with(job.params):
        raise MeasurementError("the serving section's answers are of another model or other settings; run it again")
    if {name: row["prompt_token_ids"] for name, row in kept["prompts"].items()} != {n: [*i] for n, i in asked.items()}:
        raise MeasurementError("the serving section asked other prompts; run it again")
    return {name: list(row["token_ids"]) for name, row in kept["prompts"].items()}


def asked_with(params: Params) -> str:
    """Digest of what decides an answer, the prompts apart; a server that this suite starts has this vLLM."""
    read = params.model_dump(mode="json")
    return digest(
        [read[key] for key in ("model", "platform", "engine")]
        + [params.evidence.max_tokens, staleness.model_digest(params), staleness.engine_digest(params)]
    )
