"""A vLLM or vLLM-Ascend start, read from a log file: also of a server that was started elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evalpress.engine import log_lines, startup
from evalpress.engine.log_lines import Figures, Line, Log, figure
from evalpress.engine.memory_lines import PATTERNS, memory_figures, memory_reasons
from evalpress.engine.wrapped_lines import joined

_BEGINS = r"Initializing an? (?:V\d )?LLM engine \(v([^)]+)\)"
_READY = r"init engine \("
_READY_S = r"init engine \(.*\) took [0-9.]+ s"
_SERVES = r"Application startup complete"
_BAR = re.compile(r"(Capturing [^:]*graphs?[^:]*):.*?\b(\d+)/(\d+)\b")
_NO_TIMES = "the log has no times"
_NOT_IN_LOGS = "vLLM's log does not tell"


@dataclass(frozen=True)
class StartLog:
    """What a log holds of one start; keys and units as in the benchmark's `startup`, `memory` and `compilation`."""

    vllm_version: str | None
    starts: int
    clock: str | None
    startup: Figures
    memory: Figures
    compilation: Figures

    @property
    def found(self) -> bool:
        """Whether the log held any line of a start."""
        values = [*self.startup.values(), *self.memory.values(), *self.compilation.values()]
        return any(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def parse(text: str) -> StartLog:
    """The last start in a log, its times in seconds, memory in GiB; null with a `_why` where the log has no line."""
    log = log_lines.read(text)
    starts = _starts(joined(log.lines, (_BEGINS, _READY_S, _BAR.pattern, *startup.PATTERNS, *PATTERNS)))
    lines = starts[-1]
    compiled = _is_compiled(lines)
    seen_version = [m[1] for _, line in lines if (m := re.search(_BEGINS, line))]
    began = next((stamp for stamp, line in lines if re.search(_BEGINS, line)), None) if log.clock else None
    found = startup.phases(
        lines,
        import_s=None,
        config_s=None,
        wall_s=_wall(lines, log),
        compiled=compiled is not False,
        began=began,
    )
    if log.clock is None:
        found |= {key: None for key in ("engine_init_s", "kv_cache_s") if key in found}
        found |= {f"{key}_why": _NO_TIMES for key in ("engine_init_s", "kv_cache_s", "total_s", "unaccounted_s")}
        if found["load_weights_s"] == 0.0 and figure(lines, startup.LOAD) is None:
            found |= {"load_weights_s": None, "load_weights_s_why": _NO_TIMES}
    found = {key: round(value, 6) if isinstance(value, float) else value for key, value in found.items()}
    found |= {"import_s_why": _NOT_IN_LOGS, "config_s_why": _NOT_IN_LOGS} | _cache(lines, compiled)
    memory = memory_figures(lines)
    whole: Figures = {
        key: int(value) if key == "kv_cache_tokens" and value is not None else value for key, value in memory.items()
    }
    return StartLog(
        vllm_version=seen_version[-1] if seen_version else None,
        starts=len(starts),
        clock=log.clock,
        startup=found,
        memory={**whole, **memory_reasons(lines, memory)},
        compilation=startup.compile_figures(lines, compiled=compiled is not False),
    )


def _starts(lines: Sequence[Line]) -> list[list[Line]]:
    """A log cut where an engine begins after another was ready: engines of data parallel ranks begin together."""
    out: list[list[Line]] = [[]]
    ready = False
    for stamp, text in lines:
        if ready and re.search(_BEGINS, text):
            out.append([])
            ready = False
        ready = ready or re.search(_READY, text) is not None
        out[-1].append((stamp, text))
    return out


def _wall(lines: Sequence[Line], log: Log) -> float | None:
    """From the first line of the start to its last one, in seconds; None for a part of a log."""
    if not any(re.search(_BEGINS, text) for _, text in lines):
        return None
    ends = [stamp for stamp, text in lines if re.search(f"{_READY}|{_SERVES}", text)]
    if log.clock is None or not ends:
        return None
    return ends[-1] - lines[0][0]


def _is_compiled(lines: Sequence[Line]) -> bool | None:
    """Whether the engine compiles or captures; None where no line says so."""
    if any("enforce_eager=True" in text or "Enforce eager set" in text for _, text in lines):
        return False
    told = r"Dynamo bytecode|Compiling a graph|[Cc]apturing|Directly load|torch\.compile t|enforce_eager=False"
    return True if any(re.search(told, text) for _, text in lines) else None


def _cache(lines: Sequence[Line], compiled: bool | None) -> Figures:
    """Captured graphs, and whether the compile cache was used."""
    bars: dict[str, int] = {}
    for _, text in lines:
        if bar := _BAR.search(text):
            bars[bar[1]] = max(bars.get(bar[1], 0), int(bar[3]))
    if compiled is False:
        return {"captured_graphs": 0, "cold": False, "compile_cache": "none: eager mode does not compile"}
    rejected = startup.rejected_cache(lines)
    words = startup.compile_cache(lines)
    if rejected is not None:
        words = f"found, but vLLM could not load it and compiled again ({rejected})"
    out: Figures = {
        "captured_graphs": sum(bars.values()) if bars else None,
        "cold": None if words is None else words != startup.USED,
        "compile_cache": words,
    }
    why = "the log has no such line"
    return out | {f"{key}_why": why for key, value in out.items() if value is None}
