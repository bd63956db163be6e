"""Memory of an engine as its log gives it: weights, KV cache, activations, captured graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evalpress.core.units import GIB
from evalpress.engine.log_lines import NUMBER, Line, figure

_WEIGHTS = (
    rf"Model loading took {NUMBER} Gi?B",
    rf"Loading model weights took {NUMBER} Gi?B",
    rf"model weights take {NUMBER} ?Gi?B",
    rf"Actual usage(?: is|:) {NUMBER} Gi?B for weights?",
    rf"weights memory: {NUMBER} ?Gi?B",
)
"""What vLLM-Ascend prints as GB is divided by 2**30: GiB."""
_KV = (
    rf"Available KV cache memory: {NUMBER} Gi?B",
    rf"set \({NUMBER}/[0-9.]+\) Gi?B for KV cache",
    rf"reserved {NUMBER} ?Gi?B (?:memory )?for KV Cache",
    rf"VLLM_CPU_KVCACHE_SPACE not set\. Using {NUMBER} Gi?B for KV cache",
    rf"reserved for KV Cache is {NUMBER} ?Gi?B",
    rf"Current (?:KV|kv) cache memory(?: in use is|:) {NUMBER} Gi?B",
)
_KV_BYTES = (rf"Available memory: {NUMBER}, total memory: \d+",)
_KV_TOKENS = (rf"KV cache size: {NUMBER} tokens",)
_BLOCKS = (rf"# \S+ blocks: {NUMBER},",)
_CONCURRENCY = (rf"Maximum concurrency for [0-9,.]+ tokens per request: {NUMBER}x",)
_LENGTH = (rf"Maximum concurrency for {NUMBER} tokens per request",)
_CAPTURE = (rf"Graph capturing finished in .*? took {NUMBER} Gi?B",)
_ACTIVATION = (
    rf"{NUMBER} Gi?B for peak activation",
    rf"activation peak memory takes {NUMBER} ?Gi?B",
    rf"torch peak memory increase: {NUMBER} ?Gi?B",
)


PATTERNS = (*_WEIGHTS, *_KV, *_KV_BYTES, *_KV_TOKENS, *_BLOCKS, *_CONCURRENCY, *_CAPTURE, *_ACTIVATION)


def memory_figures(lines: Sequence[Line]) -> dict[str, float | None]:
    """Weights, KV cache and concurrency as the log gives them (GiB, tokens, requests).

    Of several ranks, which print what each of them holds: the largest weights, the smallest cache, which is the one
    that vLLM gives to all.
    """
    kv_bytes = figure(lines, _KV_BYTES, across=min)
    kv_gib = figure(lines, _KV, across=min)
    return {
        "model_weights_gib": figure(lines, _WEIGHTS),
        "kv_cache_gib": kv_bytes / GIB if kv_gib is None and kv_bytes is not None else kv_gib,
        "kv_cache_tokens": _tokens(lines),
        "max_concurrency": figure(lines, _CONCURRENCY, across=min),
        "graph_capture_gib": figure(lines, _CAPTURE),
        "activation_peak_gib": figure(lines, _ACTIVATION),
    }


def _tokens(lines: Sequence[Line]) -> float | None:
    """Tokens of the KV cache; the V0 engine prints blocks, whose size follows from the concurrency beside them."""
    tokens = figure(lines, _KV_TOKENS, across=min)
    if tokens is not None:
        return tokens
    blocks, concurrency, length = (figure(lines, p, across=min) for p in (_BLOCKS, _CONCURRENCY, _LENGTH))
    if not blocks or not concurrency or not length:
        return None
    return blocks * round(concurrency * length / blocks)


def memory_reasons(lines: Sequence[Line], found: dict[str, float | None]) -> dict[str, str]:
    """Why a figure is null: the log has none, or one below zero (memory that something else freed meanwhile)."""
    below = any(re.search(r"took -[0-9.]+ GiB", text) for _, text in lines)
    freed = "the log says less than zero: something else freed memory while vLLM measured"
    return {
        f"{key}_why": freed if below and key == "graph_capture_gib" else "the log has no such line"
        for key, value in found.items()
        if value is None
    }
