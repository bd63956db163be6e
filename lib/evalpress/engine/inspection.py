"""What a loaded engine says of itself: captured graphs, compile cache, compilation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalpress.engine import startup
from evalpress.engine.log_lines import Line


def compile_artefacts() -> frozenset[str]:
    """Files of both compile caches: vLLM's own, and Inductor's, which it uses where vLLM keeps none."""
    import vllm.envs

    roots = [Path(vllm.envs.VLLM_CACHE_ROOT) / "torch_compile_cache", Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])]
    return frozenset(str(path) for root in roots for path in root.rglob("*") if path.is_file())


def graph_facts(llm: Any, compiled: bool, lines: Sequence[Line], *, new_artefacts: bool) -> dict[str, Any]:
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
        words = startup.EMPTY if new_artefacts else "used"
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


def _name(value: Any) -> str:
    """An enum member's name, anything else as text."""
    return str(getattr(value, "name", value))
