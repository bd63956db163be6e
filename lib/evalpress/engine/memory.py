"""What an engine holds in memory: weights and KV cache as loaded, the peak of activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalpress.core.units import GIB
from evalpress.engine.answers import Sampling
from evalpress.engine.core import Engine
from evalpress.engine.log_lines import Figures, Line
from evalpress.engine.memory_lines import memory_figures
from evalpress.params.schema import Params

_NOT_PRINTED = "this vLLM printed no such figure on this platform"


def figures(llm: Any, lines: Sequence[Line], recorded: Sequence[int], params: Params) -> Figures:
    """Weights (GiB) and KV cache (GiB, tokens, requests of the model's length) after loading.

    GiB of all ranks together: a rank logs what it holds itself, and tensor and pipeline parallel ranks hold equal parts
    (a pipeline's first and last stage a little more weights).
    """
    found = memory_figures(lines)
    cache = llm.llm_engine.vllm_config.cache_config
    source = "engine log"
    if found["model_weights_gib"] is None and recorded:
        found["model_weights_gib"] = sum(recorded) / GIB
        source = "tensors of the model as loaded, before kernels repack them"
    blocks = getattr(cache, "num_gpu_blocks", None)
    if blocks:
        tokens = getattr(cache, "kv_cache_size_tokens", None) or blocks * cache.block_size
        found["kv_cache_tokens"] = int(tokens)
        found["max_concurrency"] = float(
            getattr(cache, "kv_cache_max_concurrency", None) or tokens / params.engine.max_model_len
        )
    if found["kv_cache_tokens"] is not None:
        found["kv_cache_tokens"] = int(found["kv_cache_tokens"])
    found["kv_cache_gib"] = _exact(found["kv_cache_gib"], getattr(cache, "kv_cache_memory_bytes", None))
    space = getattr(cache, "cpu_kvcache_space_bytes", None)
    if found["kv_cache_gib"] is None and space:
        found["kv_cache_gib"] = space / GIB  # vLLM 0.18 on CPU fills this space and prints tokens alone
    ranks = params.engine.tensor_parallel_size * params.engine.pipeline_parallel_size
    for key in ("model_weights_gib", "kv_cache_gib"):
        held = found[key]
        found[key] = None if held is None else held * ranks
    if found["activation_peak_gib"] is None:
        del found["activation_peak_gib"]  # measured later, by `activation_peak`
    reasons = {f"{key}_why": _NOT_PRINTED for key, value in found.items() if value is None}
    return {**found, "weights_source": source, **reasons}


def _exact(printed: float | None, given: int | None) -> float | None:
    """GiB of the KV cache: the bytes that the engine was given where its log says the same, since a log line has two
    decimals, which are too few for a small cache."""
    if printed is not None and given and f"{given / GIB:.2f}" == f"{printed:.2f}":
        return given / GIB
    return printed


def activation_peak(loaded: Engine, tokens: int, *, in_process: bool) -> Figures:
    """Peak of memory that a prefill of `tokens` allocates beyond weights and KV cache.

    Taken from torch's own record of allocations (torch.profiler, profile_memory), which only an engine core in this
    process shows; elsewhere from the engine's log, if it says so.

    Returns:
        `activation_peak_gib`, `activation_tokens` and `activation_source`; nulls with a reason.
    """
    if loaded.memory.get("activation_peak_gib") is not None:
        return {
            "activation_tokens": None,
            "activation_tokens_why": "vLLM's own profiling run",
            "activation_source": "engine log",
        }
    if not in_process:
        nulls = dict.fromkeys(("activation_peak_gib", "activation_tokens", "activation_source"))
        return {**nulls, **{f"{key}_why": _NOT_PRINTED for key in nulls}}
    from torch.profiler import ProfilerActivity, profile

    length = min(tokens, loaded.max_model_len - 1)
    count = max(1, tokens // length)
    once = Sampling(max_tokens=1, ignore_eos=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        loaded.generate([[index % 64] * length for index in range(count)], once)
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return {
        "activation_peak_gib": peak / GIB,
        "activation_tokens": count * length,
        "activation_source": "torch.profiler's record of allocations during a prefill",
    }
