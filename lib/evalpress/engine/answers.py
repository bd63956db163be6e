"""Requests to a vLLM engine and their results, as our own types: sampling, timings, tokens, logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError


@dataclass(frozen=True)
class Sampling:
    """How to generate. `temperature` 0 is greedy."""

    max_tokens: int
    temperature: float = 0.0
    ignore_eos: bool = False
    stop: tuple[str, ...] = ()
    seed: int | None = None
    scores: bool = False
    """Keep each output token's score and rank (`Completion.scores`, `Completion.ranks`)."""


@dataclass(frozen=True)
class Timing:
    """One request's times. Durations in seconds; `*_ts` on the engine core's monotonic clock.

    `ttft` runs from the request's arrival to its first token; `e2el` is `ttft` plus first to last token,
    which never subtracts a wall-clock time from a monotonic one.
    """

    scheduled_ts: float
    first_token_ts: float
    last_token_ts: float
    ttft: float
    e2el: float
    tokens: int


@dataclass(frozen=True)
class Completion:
    """What came back for one prompt."""

    prompt_token_ids: tuple[int, ...]
    text: str
    token_ids: tuple[int, ...]
    finish_reason: str
    timing: Timing
    cached_tokens: int = 0
    """Tokens of the prompt that were read from the prefix cache."""
    scores: tuple[float, ...] = ()
    """With `Sampling.scores`: the engine's value for each output token; a raw logit in the set's own engines."""
    ranks: tuple[int, ...] = ()
    """With `Sampling.scores`: the place of each output token among all by that value, 1 for the largest."""


@dataclass(frozen=True)
class Generated:
    """Greedy tokens, and the raw full-vocabulary logits from which each was chosen: float32 [tokens, vocabulary]."""

    token_ids: tuple[int, ...]
    logits: NDArray[np.float32]
    cached_tokens: int = 0
    """Tokens of the prompt that were read from the prefix cache."""


def logits_row(entries: dict[int, Any]) -> NDArray[np.float32]:
    """vLLM's `{token id: Logprob}` of a whole vocabulary as float32 [vocabulary]; NaN for an id that is missing."""
    ids = np.fromiter(entries.keys(), dtype=np.int64, count=len(entries))
    row = np.full(int(ids.max()) + 1, np.nan, dtype=np.float32)
    row[ids] = np.fromiter((entry.logprob for entry in entries.values()), dtype=np.float32, count=len(entries))
    return row


def _scores(done: Any) -> dict[str, tuple[Any, ...]]:
    """Score and rank of each output token, where they were asked for."""
    chosen = [entries[token] for entries, token in zip(done.logprobs or (), done.token_ids, strict=False)]
    return {"scores": tuple(float(e.logprob) for e in chosen), "ranks": tuple(int(e.rank or 0) for e in chosen)}


def logits_rows(logprobs: Any) -> NDArray[np.float32]:
    """vLLM's log-probabilities of several steps as float32 [steps, vocabulary]."""
    if not hasattr(logprobs, "start_indices"):
        return np.stack([logits_row(entries) for entries in logprobs])
    rows = []
    for start, end in zip(logprobs.start_indices, logprobs.end_indices, strict=True):
        ids = np.array(logprobs.token_ids[start:end], np.int64)
        row = np.full(int(ids.max()) + 1, np.nan, np.float32)
        row[ids] = logprobs.logprobs[start:end]
        rows.append(row)
    return np.stack(rows)


def completion(output: Any) -> Completion:
    """A completion from vLLM's `RequestOutput`, times in seconds.

    Raises:
        MeasurementError: vLLM gave no request metrics.
    """
    metrics, done = output.metrics, output.outputs[0]
    if metrics is None:
        raise MeasurementError("vLLM returned no request metrics although disable_log_stats is False")
    tokens = len(done.token_ids)
    return Completion(
        prompt_token_ids=tuple(output.prompt_token_ids),
        text=done.text,
        token_ids=tuple(done.token_ids),
        finish_reason=str(done.finish_reason),
        cached_tokens=output.num_cached_tokens or 0,
        **_scores(done),
        timing=Timing(
            scheduled_ts=metrics.scheduled_ts,
            first_token_ts=metrics.first_token_ts,
            last_token_ts=metrics.last_token_ts,
            ttft=metrics.first_token_latency,
            e2el=metrics.first_token_latency + metrics.last_token_ts - metrics.first_token_ts,
            tokens=tokens,
        ),
    )
