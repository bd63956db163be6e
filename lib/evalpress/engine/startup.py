"""Start-up, read from vLLM's own log lines: how long each phase took and what was captured.

Lines differ between versions and platforms, so each figure has several patterns, read loosely; a phase
that prints no figure is taken from the arrival times of the lines that bound it. The format strings of every release
that was examined are in tests/data/log_formats (scripts/log_formats.py lists those of a wheel).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from evalpress.engine.log_lines import NUMBER, Figures, Line, figure, readings

EMPTY = "empty: compiled from nothing"
"""What a cold start says of its compile cache."""
AGAIN = "not reused: this start compiled again"
USED = "used"
PARTLY = "used in part: other graphs were compiled again"

LOAD = (
    rf"Model loading took -?[0-9.]+ GiB.*? {NUMBER} seconds",
    rf"Loading (?:model )?weights took {NUMBER} seconds",
)
_TOGETHER = r"torch\.compile and initial profiling/warmup run together took"
_COMPILE_PARTS = rf"(?:torch\.compile took|{_TOGETHER}) {NUMBER} s"
_COMPILE_SO_FAR = (rf"torch\.compile takes {NUMBER} s", rf"\(compilation: {NUMBER} s")
_DYNAMO = (rf"Dynamo bytecode transform time: {NUMBER} s",)
_BACKEND = (rf"Compiling a graph for .*? takes {NUMBER} s",)
_CAPTURE = (rf"Graph capturing finished in {NUMBER} secs?",)
_REUSED = (
    r"Directly load (?:the compiled graph\(s\)|AOT compilation|the \S+-th graph)|Loaded npugraph_ex compilation cache"
)
_COMPILED = r"Compiling a graph for|Saved compiled graph to cache"
_REJECTED = r"Compiling model again .*? reason: (.*)|npugraph_ex cache miss for key \S+ (\(.*?\)), recompiling"

PATTERNS = (*LOAD, _COMPILE_PARTS, *_COMPILE_SO_FAR, *_DYNAMO, *_BACKEND, *_CAPTURE, _REUSED, _REJECTED)
"""Lines with a figure or a fact of the start."""
_MARKS = {
    "engine": r"Initializing an? (?:V\d )?LLM engine",
    "load": r"Starting to load model",
    "loaded": r"Loading model weights took|Model loading took|Loading weights took",
    "compile": r"Warming up model for the compilation|Starting torch\.compile",
    "compiled": r"Warming up done|Initial profiling/warmup run took|torch\.compile (?:took|takes)|" + _TOGETHER,
    "kv": r"for KV [Cc]ache|Available KV cache memory|Available memory: \d|KV cache size:|# \S+ blocks: \d",
    "ready": r"init engine \(",
}
_LAST = ("loaded", "compiled", "ready")
"""Marks of which the last appearance counts: every process, and every model of speculative decoding, has its own."""


def _moments(lines: Sequence[Line]) -> dict[str, float]:
    """When each mark appeared: the first time, for `_LAST` the last."""
    seen: dict[str, float] = {}
    for stamp, text in lines:
        for name, pattern in _MARKS.items():
            if (name in _LAST or name not in seen) and re.search(pattern, text):
                seen[name] = stamp
    return seen


def _between(seen: dict[str, float], start: str, *ends: str) -> float | None:
    """From `start` to the first of `ends` that appears and is not before it."""
    after = [seen[end] for end in ends if end in seen and start in seen and seen[end] >= seen[start]]
    return min(after) - seen[start] if after else None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def phases(
    lines: Sequence[Line],
    *,
    import_s: float | None,
    config_s: float | None,
    wall_s: float | None,
    compiled: bool,
    began: float | None = None,
) -> Figures:
    """The `startup` block of one mode, in seconds.

    Args:
        lines: what was printed while the engine was constructed.
        import_s: importing vLLM in this process; None where only a log is known.
        config_s: first resolution of the engine's configuration in this process; None likewise.
        wall_s: wall clock of constructing the engine; None where the log has no times.
        began: when that construction began, on the lines' clock.
        compiled: whether this mode compiles.

    Returns:
        Phases, `total_s` (= import_s + config_s + wall_s) and `unaccounted_s`, the rest that no line explains.
        A phase that this platform or mode does not have is null with a `_why`; none is negative. `compile_s_note`
        is beside a figure that includes more than compilation.
    """
    seen = _moments(lines)
    # Until the first line on loading: processes of the engine core and its workers, the device, the groups.
    init = seen["load"] - began if began is not None and seen.get("load", -1.0) >= began else None
    compile_s, note = _compilation(lines, seen) if compiled else (None, None)
    out: dict[str, float | None] = {
        "import_s": import_s,
        "config_s": config_s,
        "engine_init_s": init,
        "load_weights_s": _first(figure(lines, LOAD, within=sum), _between(seen, "load", "loaded", "compile", "kv")),
        "compile_s": compile_s,
        "graph_capture_s": figure(lines, _CAPTURE, within=sum) if compiled else None,
        "kv_cache_s": _kv_cache(lines, seen, compile_s if compiled else None),
    }
    known = sum(value for value in out.values() if value is not None)
    total = None if wall_s is None else (import_s or 0.0) + (config_s or 0.0) + wall_s
    out["total_s"] = total
    # Figures are printed to whole seconds at worst, so that a rest of nothing can come out just below zero.
    rest = None if total is None else total - known
    out["unaccounted_s"] = max(rest, 0.0) if rest is not None and rest > -_ROUNDING_S else None
    why = _reasons(out, compiled)
    if rest is not None and rest <= -_ROUNDING_S:
        why["unaccounted_s_why"] = f"the phases that vLLM printed overlap: together {-rest:.1f} s longer than the whole"
    return {**out, **why, **({} if note is None else {"compile_s_note": note})}


_ROUNDING_S = 1.0


def _compilation(lines: Sequence[Line], seen: dict[str, float]) -> tuple[float | None, str | None]:
    """Seconds of compilation, and what else that figure holds.

    Up to vLLM 0.17 `torch.compile takes` is a sum so far, from 0.18 `torch.compile took` is one model's part.
    """
    parts = figure(lines, (_COMPILE_PARTS,), within=sum)
    if parts is not None:
        together = any(re.search(_TOGETHER, text) for _, text in lines)
        note = "includes the initial profiling run: vLLM prints one figure for both" if together else None
        return parts, note
    whole = _first(figure(lines, _COMPILE_SO_FAR), _between(seen, "compile", "compiled", "kv"))
    if whole is not None:
        return whole, None
    known = [value for value in (figure(lines, _DYNAMO, within=sum), figure(lines, _BACKEND, within=sum)) if value]
    return (sum(known), "Dynamo and backend; this vLLM printed no total") if known else (None, None)


def _kv_cache(lines: Sequence[Line], seen: dict[str, float], compile_s: float | None) -> float | None:
    """From the cache's first line to the engine's last, without the graph capture and compilation in between."""
    window = _between(seen, "kv", "ready")
    if window is None:
        return None
    start, end = seen["kv"], seen["ready"]
    inside = [(r.stamp - r.value, r.stamp) for r in readings(lines, _CAPTURE[0])]
    if compile_s is not None and seen.get("compile", start - 1.0) > start:
        inside.append((seen["compile"], seen["compile"] + compile_s))
    return window - _covered(inside, start, end)


def _covered(intervals: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """Length of the union of intervals within [start, end]: ranks that work at the same time count once."""
    covered, reached = 0.0, start
    for begin, finish in sorted(intervals):
        begin, finish = max(begin, reached), min(finish, end)
        if finish > begin:
            covered, reached = covered + finish - begin, finish
    return covered


def compile_figures(lines: Sequence[Line], *, compiled: bool) -> Figures:
    """Parts of `compile_s` where the log has them: Dynamo's tracing and the backend's compilation, in seconds."""
    out: dict[str, float | None] = {
        "dynamo_s": figure(lines, _DYNAMO, within=sum) if compiled else None,
        "backend_compile_s": figure(lines, _BACKEND, within=sum) if compiled else None,
    }
    return {**out, **_reasons(out, compiled)}


def _reasons(out: Mapping[str, float | None], compiled: bool) -> dict[str, str]:
    """Why a phase is null: the mode has none, or this vLLM prints no such line."""
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
    found = [next(filter(None, m.groups())) for _, text in lines if (m := re.search(_REJECTED, text))]
    return found[-1].strip() if found else None


def compile_cache(lines: Sequence[Line]) -> str | None:
    """USED where vLLM says that it loaded compiled graphs, AGAIN where it compiled, PARTLY for both; None: no line.

    Files in the cache's folder are no evidence: vLLM-Ascend 0.18 leaves files that it never reads.
    """
    reused, compiled = (any(re.search(pattern, text) for _, text in lines) for pattern in (_REUSED, _COMPILED))
    if rejected_cache(lines) is not None or (compiled and not reused):
        return AGAIN
    return (PARTLY if compiled else USED) if reused else None
