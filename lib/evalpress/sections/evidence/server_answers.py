"""The evidence prompts sent to a running server, for the determinism checks of the server.

The serving section sends them while its server runs, the evidence section compares the answers: starting a second
server would take as long as everything else in that section.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.core.plain import Json
from evalpress.engine.endpoint import Endpoint
from evalpress.model import chat
from evalpress.params import prompts
from evalpress.params.schema import Params
from evalpress.sections import staleness
from evalpress.sections.evidence.comparing import Answer, Run
from evalpress.sections.evidence.lengths import output_tokens
from evalpress.sections.job import Job, read_raw

RAW = "evidence"
NEUTRAL = {"temperature": 0, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""A server takes missing values from the model's generation_config.json; an offline engine does not."""
OTHERS = 16
"""Requests with other prompts that the server works on beside the evidence prompts."""


@dataclass(frozen=True)
class Kept:
    """A server's outputs for the evidence prompts: one request at a time, and among others, several times."""

    alone: Run
    under_load: Sequence[Run]

    @property
    def length(self) -> int:
        """Tokens of the longest output."""
        return max(len(one.token_ids) for one in self.alone.values())


def ask(job: Job, endpoint: Endpoint, served: str) -> None:
    """Send every evidence prompt as token ids, alone and under load, and keep the answers in `results/raw`.

    A server that gives no token ids (an older one, or a refusal) is a finding: the reason is kept instead.
    """
    p = job.params
    kept: Json = {"asked_with": asked_with(p), "mode": p.serving.mode, "prompts": {}, "under_load": []}
    try:
        if p.model.weights != "random":
            formatter = chat.formatter(p)
            asked = {
                prompt.id: list(formatter.render(prompt.text).token_ids) for prompt in prompts.load(p.evidence.prompts)
            }
            kept["prompts"] = _alone(p, endpoint, served, asked)
            kept["under_load"] = _under_load(p, endpoint, served, asked)
    except MeasurementError as error:
        kept["prompts_why"] = str(error)
    job.raw(RAW, kept)


def _alone(p: Params, endpoint: Endpoint, served: str, asked: Mapping[str, list[int]]) -> Json:
    length = output_tokens(p, len(asked), max(map(len, asked.values())))
    return {name: {"prompt_token_ids": ids} | _answer(endpoint, served, ids, length) for name, ids in asked.items()}


def _under_load(p: Params, endpoint: Endpoint, served: str, asked: Mapping[str, list[int]]) -> list[Json]:
    """All prompts at once among OTHERS requests, `evidence.repeats` times."""
    length = output_tokens(p, len(asked), max(map(len, asked.values())), p.evidence.repeats)
    names = list(asked)
    found = []
    with ThreadPoolExecutor(len(asked) + OTHERS) as pool:
        for turn in range(p.evidence.repeats):
            # The others are the same tokens in another order: of the same lengths, and never the same prompt.
            others = [[i + turn, *asked[names[i % len(names)]][:0:-1]] for i in range(OTHERS)]
            busy = [pool.submit(_answer, endpoint, served, ids, length) for ids in others]
            wanted = {name: pool.submit(_answer, endpoint, served, ids, length) for name, ids in asked.items()}
            found.append({name: future.result() for name, future in wanted.items()})
            for future in busy:
                future.result()
    return found


def _answer(endpoint: Endpoint, served: str, ids: list[int], length: int) -> Json:
    body = {"model": served, "prompt": ids, "max_tokens": length, "ignore_eos": True, "logprobs": 0}
    try:
        choice = endpoint.post("/v1/completions", body | {"return_token_ids": True} | NEUTRAL)["choices"][0]
        scores = (choice.get("logprobs") or {}).get("token_logprobs") or []
        return {"token_ids": list(choice["token_ids"]), "text": str(choice["text"]), "scores": list(scores)}
    except (LookupError, TypeError) as error:
        raise MeasurementError(f"the server gave no token ids: {type(error).__name__}: {error}") from None


def answers(job: Job, asked: Mapping[str, Sequence[int]]) -> Kept:
    """The answers of the serving section's server to the same prompts.

    Raises:
        MeasurementError: there are no answers, or they are of another model, other settings or other prompts.
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
    return Kept(_run(kept["prompts"]), [_run(turn) for turn in kept["under_load"]])


def _run(rows: Mapping[str, Json]) -> Run:
    return {name: Answer(tuple(row["token_ids"]), tuple(row["scores"])) for name, row in rows.items()}


def asked_with(params: Params) -> str:
    """Digest of what decides an answer, without the prompts; a server that this suite starts has this vLLM.

    How long the answers are is no part of it: they are compared as far as both sides go.
    """
    read = params.model_dump(mode="json")
    return digest(
        [read[key] for key in ("model", "platform", "engine")]
        + [staleness.model_digest(params), staleness.engine_digest(params)]
    )
