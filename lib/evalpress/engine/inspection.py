"""What a loaded engine says of itself: captured graphs, compile cache, compilation, memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from evalpress.engine import startup
from evalpress.params.schema import Params

GIB = 2**30


def compile_artefacts() -> frozenset[str]:
    import vllm.envs

    root = Path(vllm.envs.VLLM_CACHE_ROOT) / "torch_compile_cache"
    return frozenset(str(path) for path in root.rglob("*") if path.is_file())


def graph_facts(llm: Any, compiled: bool, lines: Sequence[startup.Line], *, new_artefacts: bool) -> dict[str, Any]:
    """How many graphs were captured and whether this start had to compile anew."""
    config = llm.llm_engine.vllm_config.compilation_config
    captures = compiled and "NONE" not in _name(getattr(config, "cudagraph_mode", "NONE")).upper()
    sizes = list(getattr(config, "cudagraph_capture_sizes", None) or []) if captures else []
    rejected = startup.rejected_cache(lines)
    if not compiled:
        words = "none: eager mode does not compile"
    elif rejected:
        words = f"found, but vLLM could not load it and compiled again ({rejected})"
    else:
        words = "empty: compiled from nothing" if new_artefacts else "used"
    return {
        "captured_graphs": len(sizes),
        "cold": compiled and (new_artefacts or bool(rejected)),
        "compile_cache": words,
    }


def compilation(llm: Any, compiled: bool) -> dict[str, Any]:
    """What compiled mode does, read from the engine's own configuration."""
    config = llm.llm_engine.vllm_config.compilation_config
    return {
        "mode": _name(getattr(config, "mode", getattr(config, "level", "unknown"))),
        "backend": str(getattr(config, "backend", "") or "none") if compiled else "none",
        "cudagraph_mode": _name(getattr(config, "cudagraph_mode", "NONE")),
        "capture_sizes": list(getattr(config, "cudagraph_capture_sizes", None) or []),
        "splitting_ops": list(getattr(config, "splitting_ops", None) or []),
    }


def _weight_bytes(loaded: Any) -> int:
    """Bytes of a model's parameters, shared storage counted once; buffers (rotary tables) are no weights."""
    storages = [parameter.untyped_storage() for parameter in loaded.parameters()]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _name(value: Any) -> str:
    """An enum member's name, anything else as text."""
    return str(getattr(value, "name", value))


@contextlib.contextmanager
def weighing(weighed: list[int]) -> Iterator[None]:
    """Weigh the model between loading and repacking: CPU kernels then keep copies that no module shows.

    Only an engine core in this process can be weighed; elsewhere the engine's log has the figure.
    """
    from vllm.model_executor.model_loader import base_loader

    repack = base_loader.process_weights_after_loading

    def weigh(loaded: Any, *args: Any, **kwargs: Any) -> Any:
        weighed.append(_weight_bytes(loaded))
        return repack(loaded, *args, **kwargs)

    base_loader.process_weights_after_loading = weigh  # type: ignore[assignment]
    try:
        yield
    finally:
        base_loader.process_weights_after_loading = repack


def memory(llm: Any, lines: Sequence[startup.Line], weighed: Sequence[int], params: Params) -> dict[str, Any]:
    told = startup.memory_figures(lines)
    cache = llm.llm_engine.vllm_config.cache_config
    found: dict[str, Any] = dict(told)
    found["weights_source"] = "engine log"
    if found["model_weights_gib"] is None and weighed:
        found["model_weights_gib"] = sum(weighed) / GIB
        found["weights_source"] = "tensors of the model as loaded, before kernels repack them"
    blocks = getattr(cache, "num_gpu_blocks", None)
    if blocks:
        tokens = getattr(cache, "kv_cache_size_tokens", None) or blocks * cache.block_size
        found["kv_cache_tokens"] = int(tokens)
        found["max_concurrency"] = float(
            getattr(cache, "kv_cache_max_concurrency", None) or tokens / params.engine.max_model_len
        )
    if found["kv_cache_tokens"] is not None:
        found["kv_cache_tokens"] = int(found["kv_cache_tokens"])
    for key, value in list(found.items()):
        if value is None:
            found[f"{key}_why"] = "this vLLM printed no such figure on this platform"
    return found
