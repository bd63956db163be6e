"""Start-up, read from vLLM's own log lines: how long each phase took and what was captured.

Lines differ between versions and platforms, so each figure has several patterns, read loosely; a phase
that prints no figure is taken from the arrival times of the lines that bound it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Line = tuple[float, str]
EMPTY = "empty: compiled from nothing"
"""What a cold start says of its compile cache."""
_NUMBER = r"([0-9][0-9,]*(?:\.[0-9]+)?)"

_LOAD = (rf"[Mm]odel loading took .*?{_NUMBER} seconds", rf"Loading weights took {_NUMBER} seconds")
_WEIGHTS_GIB = (rf"[Mm]odel loading took {_NUMBER} Gi?B", rf"Loading model weights took {_NUMBER} Gi?B")
_COMPILE = (rf"torch\.compile (?:took|takes) {_NUMBER} s", rf"\(compilation: {_NUMBER} s\)")
_DYNAMO = (rf"Dynamo bytecode transform time: {_NUMBER} s",)
_BACKEND = (rf"Compiling a graph for .*? takes {_NUMBER} s",)
_CAPTURE = (rf"Graph capturing finished in {_NUMBER} secs?",)
_CAPTURE_GIB = (rf"Graph capturing finished in .*? took {_NUMBER} GiB",)
_KV_TOKENS = (rf"KV cache size: {_NUMBER} tokens",)
_CONCURRENCY = (rf"Maximum concurrency for [0-9,]+ tokens per request: {_NUMBER}x",)
_KV_GIB = (rf"Available KV cache memory: {_NUMBER} GiB", rf"set \({_NUMBER}/[0-9.]+\) GiB for KV cache")

_ACTIVATION = (rf"{_NUMBER} GiB for peak activation", rf"torch peak memory increase: {_NUMBER}GiB")

_MARKS = {
    "engine": r"Initializing a V1 LLM engine",
    "load": r"Starting to load model",
    "compile": r"Warming up model for the compilation|Starting torch\.compile",
    "compiled": r"Warming up done|Initial profiling/warmup run took|torch\.compile (?:took|takes)",
    "kv": r"for KV cache|Available KV cache memory|KV cache size:",
    "ready": r"init engine \(",
}


def figure(lines: Sequence[Line], patterns: Sequence[str]) -> float | None:
    """The last number that one of the patterns finds; earlier patterns win."""
    for pattern in patterns:
        found = [match for _, text in lines if (match := re.search(pattern, text))]
        if found:
            return float(found[-1].group(1).replace(",", ""))
    return None


def _moments(lines: Sequence[Line]) -> dict[str, float]:
    """When each mark appeared: the first time, for `compiled` the last."""
    seen: dict[str, float] = {}
    for stamp, text in lines:
        for name, pattern in _MARKS.items():
            if re.search(pattern, text) and (name == "compiled" or name not in seen):
                seen[name] = stamp
    return seen


def _between(seen: dict[str, float], start: str, *ends: str) -> float | None:
    after = [seen[end] for end in ends if end in seen and start in seen and seen[end] >= seen[start]]
    return min(after) - seen[start] if after else None


def phases(
    lines: Sequence[Line],
    *,
    import_s: float,
    config_s: float,
    wall_s: float,
    compiled: bool,
    began: float | None = None,
) -> dict[str, Any]:
    """The `startup` block of one mode, in seconds.

    Args:
        lines: what was printed while the engine was constructed.
        import_s: importing vLLM in this process.
        config_s: first resolution of the engine's configuration in this process.
        wall_s: wall clock of constructing the engine.
        began: when that construction began, on the lines' clock.
        compiled: whether this mode compiles.

    Returns:
        Phases, `total_s` (= import_s + config_s + wall_s) and `unaccounted_s`, the rest that no line explains.
        A phase that this platform or mode does not have is null with a `_why`.
    """
    seen = _moments(lines)
    # Until the first line on loading: processes of the engine core and its workers, the device, the groups.
    init = seen["load"] - began if began is not None and seen.get("load", -1.0) >= began else None
    load = figure(lines, _LOAD) or _between(seen, "load", "compile", "kv")
    compile_s = (figure(lines, _COMPILE) or _between(seen, "compile", "compiled", "kv")) if compiled else None
    capture = figure(lines, _CAPTURE) if compiled else None
    kv = _between(seen, "kv", "ready")
    if kv is not None:
        # Graph capture, and in some versions compilation too, comes between the cache's line and the last one.
        inside = (capture or 0.0) + (compile_s or 0.0 if seen.get("compile", -1.0) > seen["kv"] else 0.0)
        kv = max(kv - inside, 0.0)
    total = import_s + config_s + wall_s
    known = sum(value for value in (import_s, config_s, init, load, compile_s, capture, kv) if value is not None)
    out: dict[str, Any] = {
        "import_s": import_s,
        "config_s": config_s,
        "engine_init_s": init,
        "load_weights_s": load,
        "compile_s": compile_s,
        "graph_capture_s": capture,
        "kv_cache_s": kv,
        "total_s": total,
        "unaccounted_s": total - known,
    }
    return out | _reasons(out, compiled)


def compile_figures(lines: Sequence[Line], *, compiled: bool) -> dict[str, Any]:
    """Parts of `compile_s` where the log tells them: Dynamo's tracing and the backend's compilation, in seconds."""
    out: dict[str, Any] = {
        "dynamo_s": figure(lines, _DYNAMO) if compiled else None,
        "backend_compile_s": figure(lines, _BACKEND) if compiled else None,
    }
    return out | _reasons(out, compiled)


def _reasons(out: dict[str, Any], compiled: bool) -> dict[str, str]:
    """Why a phase is null: the mode has none, or this vLLM says nothing of it."""
    of_compiling = ("compile_s", "dynamo_s", "backend_compile_s", "graph_capture_s")
    return {
        f"{key}_why": "eager mode neither compiles nor captures"
        if key in of_compiling and not compiled
        else "this vLLM printed no such figure on this platform"
        for key, value in out.items()
        if value is None
    }


def rejected_cache(lines: Sequence[Line]) -> str | None:
    """Why vLLM compiled again although its compile cache had the model; None where it did not."""
    found = [m.group(1) for _, text in lines if (m := re.search(r"Compiling model again .*? reason: (.*)", text))]
    return found[-1].strip() if found else None


def memory_figures(lines: Sequence[Line]) -> dict[str, float | None]:
    """Weights, KV cache and concurrency as the log gives them (GiB, tokens, requests)."""
    return {
        "model_weights_gib": figure(lines, _WEIGHTS_GIB),
        "kv_cache_gib": figure(lines, _KV_GIB),
        "kv_cache_tokens": figure(lines, _KV_TOKENS),
        "max_concurrency": figure(lines, _CONCURRENCY),
        "graph_capture_gib": figure(lines, _CAPTURE_GIB),
        "activation_peak_gib": figure(lines, _ACTIVATION),
    }
