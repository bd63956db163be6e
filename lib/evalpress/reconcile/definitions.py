"""Definitions of latencies in use, vLLM's first, and their statistics.

vLLM's are those of `calculate_metrics` in vllm/benchmarks/serve.py: only answered requests count; TTFT and E2EL run
from sending the request to the first and the last token; TPOT is (E2EL - TTFT) / (output tokens - 1) of each request
with more than one token; ITL is every gap between chunks, of all requests together; percentiles are numpy's (linear).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalpress.reconcile.observed import Request

Weighted = tuple[float, float]
"""A value in seconds and its weight."""


@dataclass(frozen=True)
class Definition:
    """One way to compute a latency from requests."""

    words: str
    values: Callable[[Request], Iterable[Weighted]]


def _once(value: float | None) -> list[Weighted]:
    return [] if value is None else [(value, 1.0)]


def _part(numerator: float | None, tokens: int | None, off: int) -> float | None:
    """A time per token, over all tokens but `off`; None for a single token."""
    if numerator is None or tokens is None or tokens <= max(off, 1 if off else 0):
        return None
    return numerator / (tokens - off)


def _decode(one: Request) -> float | None:
    return None if one.e2el_s is None or one.ttft_s is None else one.e2el_s - one.ttft_s


def _decode_to_end(one: Request) -> float | None:
    return None if one.end_s is None or one.ttft_s is None else one.end_s - one.ttft_s


def _gaps(one: Request) -> list[Weighted]:
    return [(gap, 1.0) for gap in one.gaps_s or ()]


def _mean_gap(one: Request) -> list[Weighted]:
    return _once(sum(one.gaps_s) / len(one.gaps_s) if one.gaps_s else None)


def _gaps_with_first(one: Request) -> list[Weighted]:
    return [*_once(one.ttft_s), *_gaps(one)] if one.gaps_s is not None else []


def _waited(one: Request, time: float | None) -> list[Weighted]:
    return [] if one.waited_s is None or time is None else _once(one.waited_s + time)


def _weighted(value: float | None, weight: int | None) -> list[Weighted]:
    return [] if value is None or not weight else [(value, float(weight))]


def _zero_for_one(one: Request) -> list[Weighted]:
    return _once(
        0.0 if one.output_tokens is not None and one.output_tokens <= 1 else _part(_decode(one), one.output_tokens, 1)
    )


def _less_one(tokens: int | None) -> int | None:
    return None if tokens is None else tokens - 1


LATENCIES: dict[str, Definition] = {
    "ttft": Definition("first token - sending", lambda r: _once(r.ttft_s)),
    "ttft_waited": Definition(
        "first token - time when the request was due (waiting in the client included)", lambda r: _waited(r, r.ttft_s)
    ),
    "ttft_chunk": Definition(
        "first chunk of any kind - sending (a chunk without a token counts as the first token)",
        lambda r: _once(r.first_chunk_s),
    ),
    "ttft_second": Definition(
        "second token - sending", lambda r: _once(r.ttft_s + r.gaps_s[0] if r.gaps_s and r.ttft_s is not None else None)
    ),
    "e2el": Definition("last token - sending", lambda r: _once(r.e2el_s)),
    "e2el_end": Definition(
        "end of the response - sending (what comes after the last token included)", lambda r: _once(r.end_s)
    ),
    "e2el_waited": Definition(
        "last token - time when the request was due (waiting in the client included)", lambda r: _waited(r, r.e2el_s)
    ),
    "e2el_decode": Definition("last token - first token", lambda r: _once(_decode(r))),
    "tpot": Definition(
        "(E2EL - TTFT) / (output tokens - 1), every request once",
        lambda r: _once(_part(_decode(r), r.output_tokens, 1)),
    ),
    "tpot_weighted": Definition(
        "(E2EL - TTFT) / (output tokens - 1), every request weighted by its output tokens - 1",
        lambda r: _weighted(_part(_decode(r), r.output_tokens, 1), _less_one(r.output_tokens)),
    ),
    "tpot_end": Definition(
        "(end of the response - first token) / (output tokens - 1)",
        lambda r: _once(_part(_decode_to_end(r), r.output_tokens, 1)),
    ),
    "tpot_chunk": Definition(
        "(end of the response - first chunk of any kind) / (output tokens - 1)",
        lambda r: _once(
            _part(None if r.end_s is None or r.first_chunk_s is None else r.end_s - r.first_chunk_s, r.output_tokens, 1)
        ),
    ),
    "tpot_first": Definition(
        "E2EL / output tokens: the first token's time is included", lambda r: _once(_part(r.e2el_s, r.output_tokens, 0))
    ),
    "tpot_first_weighted": Definition(
        "E2EL / output tokens, every request weighted by its output tokens: the first token's time is included",
        lambda r: _weighted(_part(r.e2el_s, r.output_tokens, 0), r.output_tokens),
    ),
    "tpot_first_end": Definition(
        "(end of the response - sending) / output tokens: the first token's time is included",
        lambda r: _once(_part(r.end_s, r.output_tokens, 0)),
    ),
    "tpot_first_less_one": Definition(
        "E2EL / (output tokens - 1): the first token's time is included",
        lambda r: _once(_part(r.e2el_s, r.output_tokens, 1)),
    ),
    "tpot_all": Definition(
        "(E2EL - TTFT) / output tokens: divided by all tokens, the first included",
        lambda r: _once(_part(_decode(r), r.output_tokens, 0)),
    ),
    "tpot_zero": Definition("(E2EL - TTFT) / (output tokens - 1), and 0 for a request with one token", _zero_for_one),
    "tpot_tool": Definition(
        "the mean of the times per output token that the file gives for single requests", lambda r: _once(r.tool_tpot_s)
    ),
    "itl": Definition("every gap between chunks, of all requests together", _gaps),
    "itl_request": Definition(
        "the mean gap between chunks of each request, every request once: averaged per request", _mean_gap
    ),
    "itl_first": Definition(
        "every gap between chunks and the time to the first one, of all requests together", _gaps_with_first
    ),
    "itl_steady": Definition(
        "every gap between chunks but the first of each request", lambda r: [(gap, 1.0) for gap in (r.gaps_s or ())[1:]]
    ),
    "itl_chunk_token": Definition(
        "(E2EL - TTFT) / (chunks - 1), every request once: divided by chunks",
        lambda r: _once(d / len(r.gaps_s) if r.gaps_s and (d := _decode(r)) is not None else None),
    ),
    "itl_chunks": Definition(
        "every gap between chunks of any kind, those without a token included",
        lambda r: [(gap, 1.0) for gap in r.chunk_gaps_s or ()],
    ),
    "itl_max": Definition("the longest gap of each request", lambda r: _once(max(r.gaps_s) if r.gaps_s else None)),
}
_TOKEN_TIMES = tuple(key for key in LATENCIES if key.startswith(("tpot", "itl")))
CANDIDATES: dict[str, tuple[str, ...]] = {
    "ttft": ("ttft", "ttft_waited", "ttft_chunk", "ttft_second", "e2el"),
    "e2el": ("e2el", "e2el_end", "e2el_waited", "e2el_decode", "ttft"),
    "tpot": ("tpot", *(key for key in _TOKEN_TIMES if key != "tpot")),
    "itl": ("itl", *(key for key in _TOKEN_TIMES if key != "itl")),
}
"""Definitions that a figure is tried against, by metric; vLLM's first."""
METHODS = ("linear", "nearest")


def observed(requests: Sequence[Request], key: str) -> NDArray[np.float64] | None:
    """Values (in ms) and weights under a definition, shape (n, 2); None where the file lacks what it needs.

    A definition is used only where every request has what it needs; a TPOT needs more than one token.
    """
    found = [[(1e3 * value, weight) for value, weight in LATENCIES[key].values(one)] for one in requests]
    needed = [one for one in requests if not key.startswith(("tpot", "itl")) or (one.output_tokens or 2) > 1]
    if not found or sum(1 for values in found if values) < len(needed) or not any(found):
        return None
    return np.array([pair for values in found for pair in values], dtype=np.float64)


def statistic(found: NDArray[np.float64], name: str, method: str = "linear") -> float:
    """A statistic of weighted values: mean, std, median or a percentile (`p99`)."""
    values, weights = found[:, 0], found[:, 1]
    mean = float(np.average(values, weights=weights))
    if name == "mean":
        return mean
    if name == "std":
        return math.sqrt(float(np.average((values - mean) ** 2, weights=weights)))
    share = 0.5 if name == "median" else float(name.removeprefix("p")) / 100
    if method == "linear":
        return float(np.percentile(values, 100 * share))
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, share - 1e-12)), values.size - 1)])
