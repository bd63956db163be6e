"""One name for every start and for every phase of it, long for tables and short for figures."""

from __future__ import annotations

from evalpress.engine.results import Startup
from evalpress.params.engine import EAGER
from evalpress.sections.benchmark.results import Results

LONG = {
    "import_s": "import vLLM",
    "config_s": "configuration, first time in the process",
    "engine_init_s": "start engine core and workers",
    "load_weights_s": "load weights",
    "compile_s": "compile",
    "graph_capture_s": "capture graphs",
    "kv_cache_s": "allocate the KV cache, first step",
    "unaccounted_s": "unaccounted",
    "total_s": "total",
}
SHORT = {
    "import_s": "import",
    "config_s": "configuration",
    "engine_init_s": "engine core, workers",
    "load_weights_s": "load weights",
    "compile_s": "compile",
    "graph_capture_s": "capture graphs",
    "kv_cache_s": "KV cache",
    "unaccounted_s": "unaccounted",
}


def named_starts(data: Results) -> dict[str, Startup]:
    """Each measured start by name: eager; a compiling mode from the cache (warm) or compiled again; and cold."""
    found = {}
    for mode, facts in data.modes.items():
        found[_name(mode, facts.startup)] = facts.startup
        if facts.startup_cold:
            found[f"{mode}, cold"] = facts.startup_cold
    return found


def _name(mode: str, startup: Startup) -> str:
    if mode == EAGER:
        return mode
    if not startup.cold:
        return f"{mode}, warm"
    return f"{mode}, compiled again" if startup.second_in_process else f"{mode}, not from the cache"
