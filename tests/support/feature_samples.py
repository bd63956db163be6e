"""Observations of features that are known, and a document that holds them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import samples
import samples_facts
from evalpress.core.results import Document
from evalpress.params.features import DepthParams, PrefixCacheParams, SpeculationParams
from evalpress.sections.benchmark.features import depth, kv_cache, prefix_hits, speculation
from evalpress.sections.benchmark.features.observations import (
    DepthRun,
    DepthRuns,
    Drafted,
    Held,
    KvCacheRuns,
    LogitGap,
    Paired,
    PrefixRequest,
    PrefixRequests,
    Run,
    SpeculationRuns,
)
from evalpress.sections.benchmark.features.results import Difference, Features, KvCache, Outputs
from evalpress.sections.benchmark.results import PeakRates, Results

LENGTHS = (0, 512, 1024, 1536, 1920)
NOT_HERE = "vLLM did not load the model: FP8 KV cache on CPU requires x86 with AVX-512 or AMX."
_TIE = Difference(
    request=0, position=3, token=1, other_token=2, shortfall=0.03125, spacing=0.03125, verdict="within_rounding"
)


def depth_runs(slope: float = 40e-9, base: float = 1e-3, noise: float = 0.0) -> DepthRuns:
    """Six repeats at five lengths, decode time `base` + `slope` × cached tokens, in seconds."""
    rng = random.Random(3)
    runs = [
        DepthRun(
            repeat=repeat,
            cached_tokens=length,
            decode_s_per_token=base + slope * length + rng.uniform(-noise, noise),
            prefill_s=4e-3 + 1e-6 * length + rng.uniform(-noise, noise),
        )
        for repeat in range(6)
        for length in LENGTHS
    ]
    return DepthRuns(rule="5 lengths from 0 to 1920 tokens, in whole blocks of 128", block_size=128, runs=tuple(runs))


def paired_runs(
    plain: Sequence[float] = (2.0, 2.2, 1.8),
    other: Sequence[float] = (1.0, 1.1, 0.9),
    drafted: Drafted | None = None,
    outputs: Outputs | None = None,
) -> Paired:
    """Two requests of four tokens each in every run, with these durations in seconds."""
    words = ((1, 2, 3, 4), (5, 6, 7, 8))
    return Paired(
        plain=tuple(Run(duration=seconds, outputs=words) for seconds in plain),
        other=tuple(Run(duration=seconds, outputs=words) for seconds in other),
        drafted=drafted or Drafted(drafts=10, draft_tokens=40, accepted_tokens=15, accepted_per_position=(8, 4, 2, 1)),
        outputs=outputs or Outputs(identical=6, of=6, differences=()),
    )


def speculation_runs() -> SpeculationRuns:
    """Both kinds of prompts; one ordinary output differs, at a tie."""
    parted = Outputs(identical=5, of=6, differences=(_TIE,))
    loads = {"repeating": paired_runs(), "ordinary": paired_runs(other=(2.0, 2.1, 1.9), outputs=parted)}
    return SpeculationRuns(prompts="params/prompts/card.yaml", loads=loads)


def kv_runs(rows: Sequence[LogitGap]) -> KvCacheRuns:
    """A KV cache of half the bytes."""
    held = [Held(tokens=1000, bytes_per_token=1024.0), Held(tokens=2000, bytes_per_token=512.0)]
    return KvCacheRuns(runs=paired_runs(), plain=held[0], other=held[1], positions=tuple(rows))


def prefix_requests() -> PrefixRequests:
    """Two requests that share 256 tokens, as the engine must serve them."""
    requests = [
        PrefixRequest(group=0, prompt_tokens=296, expected_hits=hits, cached_tokens=hits, ttft=0.01 - hits / 1e5)
        for hits in (0, 256)
    ]
    return PrefixRequests(block_size=128, requests=tuple(requests), counted_queries=592, counted_hits=256)


def features(**changed: Any) -> Features:
    """Every part measured, one KV cache dtype refused."""
    facts = samples_facts.dense(parameters=1_000, embedding=100, dtype="bfloat16", kv_values=8, width=16)
    peaks = PeakRates(memory_bandwidth_gb_s=2.0, matmul_tflop_s=0.5, copy_bytes=1, matrix_size=1, threads=1, raw={})
    same = LogitGap(rmse=0.0, max_abs_err=0.0, token=3, other_token=3)
    found = Features(
        mode="eager",
        depth=depth.report(DepthParams(), depth_runs(), facts, peaks, 1),
        prefix_cache=prefix_hits.report(PrefixCacheParams(shared_lens=(256,), requests=2), prefix_requests()),
        speculation=speculation.report(SpeculationParams(), speculation_runs()),
        kv_cache={
            "fp8": KvCache(figures=None, figures_why=NOT_HERE),
            "bfloat16": KvCache(figures=kv_cache.report(kv_runs([same]))),
        },
    )
    return found.model_copy(update=changed)


def document() -> Document[Results]:
    """A benchmark document with all of them."""
    plain = samples.benchmark()
    data = plain.data.model_copy(update={"features": features(), "features_why": None})
    return plain.model_copy(update={"data": data})
