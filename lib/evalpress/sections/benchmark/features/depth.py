"""Decode and prefill speed against the tokens that a request has in the KV cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from evalpress.core import stats
from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.engine import Completion, Engine, Sampling
from evalpress.model import ArchitectureFacts
from evalpress.params.features import DepthParams
from evalpress.sections.benchmark.features.observations import DepthRun, DepthRuns
from evalpress.sections.benchmark.features.results import Depth, DepthPoint
from evalpress.sections.benchmark.results import PeakRates

Draw = Callable[[int, int], list[int]]
"""Random token ids: how many, and a number that makes them new."""
_NO_INTERVAL = "six runs are needed for a 95 % interval of the median"
_FLAT = "the interval of the slope contains 0: this run shows no cost of a cached token"
_NO_PEAK = "benchmark.ceilings is off"


def contexts(wanted: DepthParams, max_model_len: int, capacity: int | None, block_size: int) -> list[int]:
    """The lengths to measure: evenly spaced from 0 to the longest that fits, in whole blocks, each once.

    The longest leaves room for what a request adds. Where the KV cache is small, it also leaves room for all requests
    of one repeat, so that the cached context is not evicted between them.

    Args:
        capacity: tokens that the KV cache holds; None where the engine does not say.

    Raises:
        MeasurementError: not even one block fits.
    """
    added = max(wanted.chunk_len, wanted.output_len) + 1  # the chunk and its token, or a token and its answer
    longest = max_model_len - added
    if capacity is not None:
        longest = min(longest, capacity - 2 * wanted.points * (added + block_size))
    blocks = longest // block_size
    if blocks < 1:
        raise MeasurementError(
            f"not one block of {block_size} tokens fits beside a request: max_model_len is {max_model_len}, the KV "
            f"cache holds {capacity} tokens"
        )
    last = wanted.points - 1
    return sorted({round(blocks * point / last) * block_size for point in range(wanted.points)})


def run(loaded: Engine, wanted: DepthParams, draw: Draw) -> DepthRuns:
    """Decode and prefill at every length, up and down in turn, after one repeat that is not kept.

    Each repeat computes one long prompt; its whole blocks are then read from the prefix cache, so that the clock runs
    for the decoded tokens and for the chunk alone.

    Raises:
        MeasurementError: the engine did not find the context in its cache.
    """
    size, new = loaded.block_size, count()
    lengths = contexts(wanted, loaded.max_model_len, loaded.kv_cache_tokens, size)
    runs: list[DepthRun] = []
    for repeat in range(-1, wanted.repeats):
        step(f"features: depth, repeat {repeat + 1} of {wanted.repeats}" if repeat >= 0 else "features: depth, warm-up")
        text = draw(lengths[-1], next(new))
        loaded.generate([[*text, *draw(1, next(new))]], Sampling(max_tokens=1, ignore_eos=True))
        for length in lengths if repeat % 2 == 0 else reversed(lengths):
            decoded = _ask(loaded, [*text[:length], *draw(1, next(new))], wanted.output_len, length)
            chunk = _ask(loaded, [*text[:length], *draw(wanted.chunk_len, next(new))], 1, length)
            if repeat >= 0:
                runs.append(_observed(repeat, length, decoded, chunk))
    rule = (
        f"{len(lengths)} lengths from 0 to {lengths[-1]} tokens, in whole blocks of {size}; the longest leaves room "
        "for what a request adds, and in the KV cache for all requests of a repeat"
    )
    return DepthRuns(rule=rule, block_size=size, runs=tuple(runs))


def _ask(loaded: Engine, prompt: list[int], tokens: int, cached: int) -> Completion:
    (found,) = loaded.generate([prompt], Sampling(max_tokens=tokens, ignore_eos=True))
    if found.cached_tokens != cached:
        raise MeasurementError(f"vLLM read {found.cached_tokens} of {cached} tokens from its prefix cache")
    return found


def _observed(repeat: int, length: int, decoded: Completion, chunk: Completion) -> DepthRun:
    generating = decoded.timing.last_token_ts - decoded.timing.first_token_ts
    return DepthRun(
        repeat=repeat,
        cached_tokens=length,
        decode_s_per_token=generating / (len(decoded.token_ids) - 1),
        prefill_s=chunk.timing.first_token_ts - chunk.timing.scheduled_ts,
    )


def report(
    wanted: DepthParams, observed: DepthRuns, facts: ArchitectureFacts, peaks: PeakRates | None, devices: int
) -> Depth:
    """The curves and the slope from raw observations, beside what reading the KV cache takes at least.

    Args:
        devices: that share one request, each with the peak rates.
    """
    runs = observed.runs
    lengths = sorted({one.cached_tokens for one in runs})
    line = stats.robust_line([one.cached_tokens for one in runs], [one.decode_s_per_token for one in runs])
    first, last = facts.kv_bytes_read(lengths[0]), facts.kv_bytes_read(lengths[-1])
    each = None if first is None or last is None else (last - first) / (lengths[-1] - lengths[0])
    unknown = None if each is not None else facts.reasons()["kv_bytes_per_token"]
    bound = None if each is None or peaks is None else each / (devices * peaks.memory_bandwidth_gb_s * 1e9)
    why = None if bound is not None else unknown or _NO_PEAK
    flat = line.slope_low <= 0 <= line.slope_high
    ratio = None if flat or not bound else line.slope / bound
    return Depth(
        rule=observed.rule,
        block_size=observed.block_size,
        output_len=wanted.output_len,
        chunk_len=wanted.chunk_len,
        points=tuple(_point(wanted, [one for one in runs if one.cached_tokens == length]) for length in lengths),
        slope_s=line.slope,
        slope_s_low=line.slope_low,
        slope_s_high=line.slope_high,
        kv_bytes_per_cached_token=each,
        kv_bytes_per_cached_token_why=unknown,
        bound_s=bound,
        bound_s_why=why,
        ratio=ratio,
        ratio_why=None if ratio is not None else why or (_FLAT if flat else "a decode step reads no KV cache"),
    )


def _point(wanted: DepthParams, runs: Sequence[DepthRun]) -> DepthPoint:
    decode = _median("decode_s_per_token", [one.decode_s_per_token for one in runs])
    prefill = _median("prefill_s", [one.prefill_s for one in runs])
    return DepthPoint(
        cached_tokens=runs[0].cached_tokens,
        runs=len(runs),
        decode_tok_s=1 / decode["decode_s_per_token"],
        prefill_tok_s=wanted.chunk_len / prefill["prefill_s"],
        **decode,
        **prefill,
    )


def _median(key: str, values: Sequence[float]) -> Fields:
    """The median and its interval under `key`, `key_low` and `key_high`, with the reason where there is none."""
    between = stats.median_interval(values)
    found: Fields = {key: stats.percentile(values, 50)}
    for end, name in enumerate((f"{key}_low", f"{key}_high")):
        found |= {name: between[end]} if between else {name: None, f"{name}_why": _NO_INTERVAL}
    return found
