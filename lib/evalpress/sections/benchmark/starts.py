"""Cold and warm starts of an engine, each as measured."""

from __future__ import annotations

from dataclasses import dataclass

from evalpress import engine
from evalpress.core.progress import step
from evalpress.engine.results import Startup
from evalpress.params.engine import EAGER
from evalpress.params.schema import Mode, Params

_EVERY = "the other start shown compiled as well: it loaded nothing that an earlier start had saved"
_NEVER = "no engine of these settings was ever started with an empty compile cache here; remove .cache to measure it"


@dataclass(frozen=True)
class Starts:
    """The starts of one mode, as measured."""

    warm: Startup
    """The one that the report shows first."""
    cold: Startup | None
    cold_why: str | None
    repeats_s: tuple[float, ...]
    """`total_s` of further starts like `warm`."""


def load(params: Params, mode: Mode) -> Starts:
    """Start the mode's engine, which stays loaded.

    A start that finds the compile cache empty is a cold one. If it left something in the cache, the engine is started
    once more for the warm figure. The cold figure is always that of the first start; a second start that compiled
    again is reported as such. An engine that saves nothing for later starts is not started again. A later run, which
    finds the cache filled, measures the warm start and shows the saved cold one with its date.
    """
    step(f"loading the {mode} engine")
    loaded = engine.get(params, mode)
    cold: Startup | None = None
    if loaded.startup.compile_cache == engine.EMPTY:
        cold = loaded.startup
        step(f"loading the {mode} engine again, from its compile cache")
        loaded = engine.reload(params, mode)
    warm = loaded.startup
    repeats = []
    for number in range(2, params.benchmark.startup_repeats + 1):
        step(f"start {number} of the {mode} engine")
        repeats.append(engine.reload(params, mode).startup.total_s)
    if mode == EAGER:
        return Starts(warm, None, "eager mode does not compile", tuple(repeats))
    if cold is None:
        cold = engine.load_cold_start(params, mode)
    return Starts(warm, cold, None if cold else _EVERY if warm.cold else _NEVER, tuple(repeats))
