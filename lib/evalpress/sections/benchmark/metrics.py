"""From raw observations to figures, under the names and definitions of vLLM's own benchmarks.

Everything here recomputes from `results/raw/benchmark-blocks.json` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evalpress.core import stats

LATENCIES = ("ttft", "tpot", "itl", "e2el")
COMPARED = {
    "output_throughput": "higher",
    "request_throughput": "higher",
    "mean_ttft_ms": "lower",
    "mean_tpot_ms": "lower",
    "mean_e2el_ms": "lower",
}
"""Compared figures and which way is better."""


def busy(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of time intervals, in their unit."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total


def figures(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All figures of one mode and workload over its blocks.

    Args:
        blocks: each with `duration` (s), `requests` (each with `ttft`, `e2el` in s, `prompt_tokens`,
            `output_tokens` and the core's `scheduled_ts`, `first_token_ts`, `last_token_ts`) and `itl` (s).

    Returns:
        `duration`, counts, throughputs (per second) and `{mean,median,std,min,max,p90,p99}_{ttft,…}_ms`.
    """
    requests = [r for block in blocks for r in block["requests"]]
    duration = sum(block["duration"] for block in blocks)
    tokens_in = sum(r["prompt_tokens"] for r in requests)
    tokens_out = sum(r["output_tokens"] for r in requests)
    prefill = sum(busy((r["scheduled_ts"], r["first_token_ts"]) for r in block["requests"]) for block in blocks)
    decoding = sum(busy((r["first_token_ts"], r["last_token_ts"]) for r in block["requests"]) for block in blocks)
    found: dict[str, Any] = {
        "duration": duration,
        "completed": len(requests),
        "failed": sum(block["failed"] for block in blocks),
        "total_input_tokens": tokens_in,
        "total_output_tokens": tokens_out,
        "request_throughput": len(requests) / duration,
        "output_throughput": tokens_out / duration,
        "total_token_throughput": (tokens_in + tokens_out) / duration,
        "prefill_throughput": tokens_in / prefill if prefill > 0 else None,
        "decode_throughput": (tokens_out - len(requests)) / decoding if decoding > 0 else None,
    }
    for key, why in (
        ("prefill_throughput", "first token and scheduling carry the same time stamp"),
        ("decode_throughput", "no request generated more than one token"),
    ):
        if found[key] is None:
            found[f"{key}_why"] = why
    for name in LATENCIES:
        found |= latency(name, observations(blocks, name))
    return found | steadiness(blocks)


def observations(blocks: Sequence[dict[str, Any]], name: str) -> list[float]:
    """The latencies of one kind over all requests of the blocks, in milliseconds."""
    if name == "itl":
        return [1e3 * gap for block in blocks for gap in block["itl"]]
    requests = [r for block in blocks for r in block["requests"]]
    if name == "tpot":
        return [1e3 * (r["e2el"] - r["ttft"]) / (r["output_tokens"] - 1) for r in requests if r["output_tokens"] > 1]
    return [1e3 * r[name] for r in requests]


def latency(name: str, values_ms: Sequence[float]) -> dict[str, Any]:
    """`{mean,median,std,min,max,p90,p99}_<name>_ms`; nulls with a reason where there is no observation."""
    keys = ("mean", "median", "std", "min", "max", "p90", "p99")
    if not values_ms:
        why = f"no {name} observation"
        return {f"{key}_{name}_ms": None for key in keys} | {f"{key}_{name}_ms_why": why for key in keys}
    summary = stats.summarise(values_ms)
    return {f"{key}_{name}_ms": summary[key] for key in keys}


def steadiness(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Coefficient of variation of output throughput over blocks, and the word for it."""
    rates = [sum(r["output_tokens"] for r in b["requests"]) / b["duration"] for b in blocks]
    cv = stats.coefficient_of_variation(rates)
    if cv is None:
        why = "a single block has no spread"
        return {
            "n_blocks": len(blocks),
            "cv_output_throughput": None,
            "cv_output_throughput_why": why,
            "steadiness": "unknown",
        }
    return {"n_blocks": len(blocks), "cv_output_throughput": cv, "steadiness": stats.steadiness(cv)}


def comparison(eager: Sequence[dict[str, Any]], compiled: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Paired comparison, block by block, of one workload: `compared metric -> {eager, compiled, ratio, …}`.

    `ratio` is compiled / eager: the geometric mean of the blocks' paired ratios, with a 95 % interval.
    """
    out: dict[str, Any] = {}
    pairs = list(zip(eager, compiled, strict=True))
    for metric, better in COMPARED.items():
        values = [(e, c) for a, b in pairs if (e := _one(a, metric)) is not None and (c := _one(b, metric)) is not None]
        if len(values) < len(pairs):
            why = f"{metric} was not observed in every block"
            out[metric] = dict.fromkeys(("eager", "compiled", "ratio", "ci_low", "ci_high"))
            out[metric] |= {f"{key}_why": why for key in list(out[metric])} | {"n_pairs": 0, "better": better}
            continue
        ratio = stats.paired_ratio([c for _, c in values], [e for e, _ in values])
        means = {"eager": figures(eager)[metric], "compiled": figures(compiled)[metric]}
        out[metric] = means | ratio.as_dict() | {"better": better}
    return out


def _one(block: dict[str, Any], metric: str) -> float | None:
    """One compared figure of one block."""
    value: float | None = figures([block])[metric]
    return value


def identical_tokens(eager: Sequence[dict[str, Any]], compiled: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Requests whose generated tokens are the same in both modes: `identical` of `of`."""
    pairs = [
        (a["tokens_sha256"], b["tokens_sha256"])
        for e, c in zip(eager, compiled, strict=True)
        for a, b in zip(e["requests"], c["requests"], strict=True)
    ]
    return {"identical": sum(a == b for a, b in pairs), "of": len(pairs)}


def break_even(
    startup: dict[str, dict[str, Any]],
    workload: dict[str, dict[str, Any]],
    interval: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """After how many output tokens, and seconds of compiled running, compilation has paid for its start.

    Args:
        startup: `{eager, compiled}` start-up blocks (seconds).
        workload: `{eager, compiled}` figures of the workload that stands for production load.
        interval: 95 % interval of the paired ratio of output throughput; `tokens_low` and `tokens_high` follow from
            it, the latter null where the interval holds a compiled mode that saves nothing.
    """
    extra = startup["compiled"]["total_s"] - startup["eager"]["total_s"]
    per_token = 1 / workload["eager"]["output_throughput"]
    saved = per_token - 1 / workload["compiled"]["output_throughput"]
    out: dict[str, Any] = {"extra_startup_s": extra, "saved_s_per_token": saved}
    if saved <= 0:
        why = "never: compiled mode saved no time per output token in this run"
        return out | {key: value for name in _TOKENS for key, value in ((name, None), (f"{name}_why", why))}
    tokens = max(extra, 0.0) / saved
    out |= {"tokens": tokens, "seconds": tokens / workload["compiled"]["output_throughput"]}
    for name, ratio in zip(("tokens_high", "tokens_low"), interval or (None, None), strict=True):
        gain = per_token * (1 - 1 / ratio) if ratio else 0.0
        out[name] = max(extra, 0.0) / gain if gain > 0 else None
        if out[name] is None:
            out[f"{name}_why"] = _NEVER if ratio else "no interval of the speed-up"
    return out


_TOKENS = ("tokens", "seconds", "tokens_low", "tokens_high")
_NEVER = "never: at this end of the speed-up's interval compiled mode saves nothing"
