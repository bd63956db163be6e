"""A KV cache in another dtype: what it holds, how fast it is, and what it does to outputs and logits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalpress import engine
from evalpress.core.plain import Fields
from evalpress.core.units import GIB
from evalpress.engine import Engine
from evalpress.params.features import KvCacheParams
from evalpress.params.schema import Mode, Params
from evalpress.sections.benchmark.features import paired
from evalpress.sections.benchmark.features.depth import Draw
from evalpress.sections.benchmark.features.observations import Held, KvCacheRuns, LogitGap
from evalpress.sections.benchmark.features.results import KvCacheFigures

LOAD = "KV cache"
_UNKNOWN = "this vLLM does not say how large its KV cache is"


@dataclass(frozen=True)
class Seen:
    """What one engine holds, and its raw logits at the last positions of every prompt: float32 [rows, vocabulary]."""

    held: Held
    logits: NDArray[np.float32]


def run(params: Params, mode: Mode, wanted: KvCacheParams, dtype: str, draw: Draw) -> KvCacheRuns:
    """The same prompts with the model's KV cache dtype and with `dtype`.

    Raises:
        MeasurementError: this vLLM has no such KV cache on the platform, with its reason.
    """
    asked = [draw(wanted.input_len, 3000 + n) for n in range(wanted.requests)]
    load = paired.Load(asked, wanted.output_len, together=True)

    def look(loaded: Engine) -> Seen:
        return _seen(loaded, asked, wanted.positions)

    found = paired.measure(params, mode, {"kv_cache_dtype": dtype}, {LOAD: load}, wanted.repeats, look)
    plain, other = found.seen[paired.PLAIN], found.seen[paired.OTHER]
    return KvCacheRuns(
        runs=found.paired(LOAD, load, lambda: engine.get(params, mode), params.engine.dtype),
        plain=plain.held,
        other=other.held,
        positions=tuple(gaps(plain.logits, other.logits)),
    )


def _seen(loaded: Engine, asked: Sequence[Sequence[int]], positions: int) -> Seen:
    tokens, gib = loaded.kv_cache_tokens, loaded.memory.get("kv_cache_gib")
    rows = [loaded.logits(ids, range(max(0, len(ids) - positions), len(ids))) for ids in asked]
    each = float(gib) * GIB / tokens if tokens and gib else None
    return Seen(Held(tokens=tokens, bytes_per_token=each), np.concatenate(rows))


def gaps(plain: NDArray[np.float32], other: NDArray[np.float32]) -> Iterator[LogitGap]:
    """The difference of each row of logits, in float64."""
    for before, after in zip(plain.astype(np.float64), other.astype(np.float64), strict=True):
        gap = after - before
        yield LogitGap(
            rmse=float(np.sqrt(np.mean(gap**2))),
            max_abs_err=float(np.abs(gap).max()),
            token=int(before.argmax()),
            other_token=int(after.argmax()),
        )


def report(observed: KvCacheRuns) -> KvCacheFigures:
    """Capacity, speed and agreement from raw observations."""
    rows = observed.positions
    return KvCacheFigures(
        **_held("plain_", observed.plain),
        **_held("", observed.other),
        speed=paired.speed(observed.runs),
        outputs=observed.runs.outputs,
        positions=len(rows),
        top1_agreement=sum(row.token == row.other_token for row in rows) / len(rows),
        rmse=math.sqrt(sum(row.rmse**2 for row in rows) / len(rows)),
        max_abs_err=max(row.max_abs_err for row in rows),
    )


def _held(prefix: str, held: Held) -> Fields:
    found: Fields = {f"{prefix}tokens": held.tokens, f"{prefix}bytes_per_token": held.bytes_per_token}
    return found | {f"{key}_why": _UNKNOWN for key, value in found.items() if value is None}
