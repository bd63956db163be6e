"""From raw observations to figures, under the names and definitions of vLLM's own benchmarks.

Everything here recomputes from `results/raw/benchmark-blocks.json` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evalpress.core import stats
from evalpress.core.plain import Fields
from evalpress.core.results import nulls
from evalpress.sections.benchmark.observations import Block
from evalpress.sections.benchmark.speed_results import SpeedFigures

LATENCIES = ("ttft", "tpot", "itl", "e2el")


def busy(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of time intervals, in their unit."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total


def figures(blocks: Sequence[Block]) -> SpeedFigures:
    """All figures of one mode and workload over its blocks.

    Prefill throughput is prompt tokens over the time in which some request was between scheduled and first token,
    decode throughput the tokens after the first over the time in which some request was between first and last.
    """
    requests = [r for block in blocks for r in block.requests]
    duration = sum(block.duration for block in blocks)
    tokens_in = sum(r.prompt_tokens for r in requests)
    tokens_out = sum(r.output_tokens for r in requests)
    prefill = sum(busy((r.scheduled_ts, r.first_token_ts) for r in block.requests) for block in blocks)
    decoding = sum(busy((r.first_token_ts, r.last_token_ts) for r in block.requests) for block in blocks)
    failed = sum(block.failed for block in blocks)
    latencies = {key: value for name in LATENCIES for key, value in latency(name, observations(blocks, name)).items()}
    cv = stats.coefficient_of_variation([sum(r.output_tokens for r in b.requests) / b.duration for b in blocks])
    return SpeedFigures(
        duration=duration,
        completed=len(requests) - failed,
        failed=failed,
        total_input_tokens=tokens_in,
        total_output_tokens=tokens_out,
        request_throughput=(len(requests) - failed) / duration,
        output_throughput=tokens_out / duration,
        total_token_throughput=(tokens_in + tokens_out) / duration,
        prefill_throughput=tokens_in / prefill if prefill > 0 else None,
        prefill_throughput_why="first token and scheduling carry the same time stamp" if prefill <= 0 else None,
        decode_throughput=(tokens_out - len(requests)) / decoding if decoding > 0 else None,
        decode_throughput_why="no request generated more than one token" if decoding <= 0 else None,
        **latencies,
        n_blocks=len(blocks),
        cv_output_throughput=cv,
        cv_output_throughput_why="a single block has no spread" if cv is None else None,
        steadiness="unknown" if cv is None else stats.stability(cv),
    )


def observations(blocks: Sequence[Block], name: str) -> list[float]:
    """The latencies of one kind over all requests of the blocks, in milliseconds."""
    if name == "itl":
        return [1e3 * gap for block in blocks for gap in block.itl]
    requests = [r for block in blocks for r in block.requests]
    if name == "tpot":
        return [1e3 * (r.e2el - r.ttft) / (r.output_tokens - 1) for r in requests if r.output_tokens > 1]
    return [1e3 * getattr(r, name) for r in requests]


def latency(name: str, values_ms: Sequence[float]) -> Fields:
    """`{mean,median,std,min,max,p90,p99}_<name>_ms`; nulls with a reason where there is no observation."""
    keys = ("mean", "median", "std", "min", "max", "p90", "p99")
    if not values_ms:
        return nulls([f"{key}_{name}_ms" for key in keys], f"no {name} observation")
    summary = stats.summarise(values_ms)
    return {f"{key}_{name}_ms": summary[key] for key in keys}
