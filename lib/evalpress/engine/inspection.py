"""Facts from a loaded engine's own configuration and counters: captured graphs, compile cache, compilation."""

from __future__ import annotations

from typing import Any

from evalpress.core.plain import Fields
from evalpress.engine.compile_cache import CacheUse
from evalpress.engine.log_lines import Figures


def graph_facts(llm: Any, compiled: bool, cache: CacheUse) -> Figures:
    """How many graphs were captured and whether this start had to compile anew."""
    config = llm.llm_engine.vllm_config.compilation_config
    captures = compiled and "NONE" not in _name(getattr(config, "cudagraph_mode", "NONE")).upper()
    sizes = list(getattr(config, "cudagraph_capture_sizes", None) or []) if captures else []
    return {"captured_graphs": len(sizes), "cold": cache.compiled, "compile_cache": cache.words}


def compilation(llm: Any, compiled: bool) -> Fields:
    """What compiled mode does, read from the engine's own configuration."""
    config = llm.llm_engine.vllm_config.compilation_config
    return {
        "mode": _name(getattr(config, "mode", getattr(config, "level", "unknown"))),
        "backend": str(getattr(config, "backend", "") or "none") if compiled else "none",
        "cudagraph_mode": _name(getattr(config, "cudagraph_mode", "NONE")),
        "capture_sizes": list(getattr(config, "cudagraph_capture_sizes", None) or []),
        "splitting_ops": list(getattr(config, "splitting_ops", None) or []),
    }


def _name(value: Any) -> str:
    """An enum member's name, anything else as text."""
    return str(getattr(value, "name", value))
