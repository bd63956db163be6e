"""Cold and warm starts of an engine, each as measured."""

from __future__ import annotations

from typing import Any

from evalpress import engine
from evalpress.core.progress import step
from evalpress.params.schema import Mode, Params

_NEVER = "no engine of these settings was ever started with an empty compile cache here; remove .cache to measure it"


def load(params: Params, mode: Mode) -> dict[str, Any]:
    """Start the mode's engine; `startup` is a warm start, `startup_cold` the last one with an empty compile cache.

    A start that finds the cache empty is a cold one, and the engine is started once more for the warm figure. A
    later run, which finds the cache filled, measures the warm start and repeats the cold one with its date.
    """
    step(f"loading the {mode} engine")
    loaded = engine.get(params, mode)
    if mode == "compiled" and loaded.startup["compile_cache"] == engine.EMPTY:
        step(f"loading the {mode} engine again, from its compile cache")
        loaded = engine.reload(params, mode)
        loaded.startup["second_in_process"] = True
    facts = {"startup": loaded.startup, "memory": loaded.memory, "compilation": loaded.compilation}
    if mode == "eager":
        return facts | {"startup_cold": None, "startup_cold_why": "eager mode does not compile"}
    cold = engine.cold_start(params, mode)
    return facts | ({"startup_cold": cold} if cold else {"startup_cold": None, "startup_cold_why": _NEVER})
