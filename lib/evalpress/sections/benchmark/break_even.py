"""After how many output tokens compiled mode has made up for its longer start, with the uncertainty of both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalpress.core import stats
from evalpress.core.results import nulls
from evalpress.engine.results import Startup
from evalpress.params.engine import EAGER
from evalpress.sections.benchmark.results import (
    BreakEven,
    BreakEvenFigures,
    ModeResults,
    PairedMetric,
    WorkloadShape,
)

MIN_STARTS = 3
"""Fewest starts per mode for an interval: two leave one degree of freedom."""
_SHARED_CONFIDENCE = 0.975
"""Confidence of each side's own interval: by Bonferroni both hold together with at least 95 %."""
_LARGEST = 600.0
"""Logarithm beyond which a ratio is no longer distinguishable from infinity."""
_KEYS = ("extra_startup_s", "saved_s_per_token", "tokens", "seconds", "tokens_low", "tokens_high")


@dataclass(frozen=True)
class Span:
    """An interval of a number; a missing end is unbounded."""

    low: float
    high: float


def break_even(
    modes: Mapping[str, ModeResults],
    shapes: Mapping[str, WorkloadShape],
    compared: Mapping[str, Mapping[str, PairedMetric]],
) -> BreakEven:
    """For the warm start, by the phases that depend on the mode, and for the start with an empty compile cache.

    Args:
        modes: eager and one compiling mode.
    """
    main = next((name for name, shape in shapes.items() if shape.kind == "throughput"), next(iter(shapes)))
    ratio = compared[main]["output_throughput"]
    eager, compiled = modes[EAGER], next(found for mode, found in modes.items() if mode != EAGER)
    starts = _own_starts(eager), _own_starts(compiled)
    warm = from_starts(*starts, ratio)
    phases = _mode_phases(eager.startup, compiles=False), _mode_phases(compiled.startup, compiles=True)
    by_phases = None if phases[0] is None or phases[1] is None else from_starts([phases[0]], [phases[1]], ratio)
    cold = compiled.startup_cold
    return BreakEven(
        **dict(warm),
        workload=main,
        by_phases=by_phases,
        by_phases_why=None if by_phases else "this vLLM did not print every phase that depends on the mode",
        cold=None if cold is None else from_starts(starts[0], [_own_start(cold)], ratio),
        cold_why=compiled.startup_cold_why if cold is None else None,
    )


def not_measured(why: str) -> BreakEven:
    """Break-even of a report that lacks one of the two modes."""
    return BreakEven(**nulls((*_KEYS, "workload", "by_phases", "cold"), why))


def _own_starts(mode: ModeResults) -> list[float]:
    """Every start of the mode in this run, as `_own_start` counts it."""
    first = mode.startup
    return [_own_start(first), *(total - first.import_s - first.config_s for total in mode.startup_repeats_s)]


def _own_start(startup: Startup) -> float:
    """Seconds without what a process does once in either mode: a saved cold start did it in another process."""
    return startup.total_s - startup.import_s - startup.config_s


def _mode_phases(start: Startup, *, compiles: bool) -> float | None:
    """Seconds of the phases that depend on the mode: the rest also depends on which engine a process loads first.

    None where a phase that took place was not printed; eager compiles nothing, and not every platform captures graphs.
    """
    needed = [start.kv_cache_s, *([start.compile_s] if compiles else [])]
    needed += [start.graph_capture_s] if start.captured_graphs else []
    if None in needed:
        return None
    return sum(value or 0.0 for value in (start.compile_s, start.graph_capture_s, start.kv_cache_s))


def from_starts(eager: Sequence[float], compiled: Sequence[float], ratio: PairedMetric) -> BreakEvenFigures:
    """Break-even of two series of starts (seconds) and the paired ratio of output throughput."""
    extra = sum(compiled) / len(compiled) - sum(eager) / len(eager)
    if ratio.eager is None or ratio.compiled is None:
        why = ratio.eager_why or ratio.compiled_why or "not measured"
        return BreakEvenFigures(extra_startup_s=extra, **nulls(_KEYS[1:], why))
    saved = 1 / ratio.eager - 1 / ratio.compiled
    if saved <= 0:
        why = "never: compilation saved no time per output token in this run"
        return BreakEvenFigures(extra_startup_s=extra, saved_s_per_token=saved, **nulls(_KEYS[2:], why))
    tokens = max(extra, 0.0) / saved
    found = _interval(eager, compiled, ratio)
    low, high = (None, None) if isinstance(found, str) else found
    why = found if isinstance(found, str) else _NEVER
    return BreakEvenFigures(
        extra_startup_s=extra,
        saved_s_per_token=saved,
        tokens=tokens,
        seconds=tokens / ratio.compiled,
        tokens_low=low,
        tokens_low_why=why if low is None else None,
        tokens_high=high,
        tokens_high_why=why if high is None else None,
    )


def _interval(
    eager: Sequence[float], compiled: Sequence[float], ratio: PairedMetric
) -> tuple[float | None, float | None] | str:
    """The ends of the interval of the tokens, of at least 95 % together, None for never; or why there is none."""
    why = _no_interval(eager, compiled, ratio)
    if why or ratio.ci_low is None or ratio.ci_high is None or ratio.eager is None:
        return why or "not measured"
    starts = stats.difference_interval(compiled, eager, _SHARED_CONFIDENCE)
    assert starts is not None
    speed = _at_shared_confidence(ratio.ci_low, ratio.ci_high, ratio.n_pairs)
    extra = Span(max(starts[0], 0.0), max(starts[1], 0.0))
    gain = Span(*(-math.expm1(-min(max(end, -_LARGEST), _LARGEST)) / ratio.eager for end in speed))
    return extra.low / gain.high if gain.high > 0 else None, extra.high / gain.low if gain.low > 0 else None


def _at_shared_confidence(low: float, high: float, pairs: int) -> tuple[float, float]:
    """Logarithms of the ends of a paired ratio's interval at `_SHARED_CONFIDENCE`, from those at 95 % (Student's t)."""
    from scipy.special import stdtrit  # late: a command that computes no interval starts without it

    wider = stdtrit(pairs - 1, 0.5 + _SHARED_CONFIDENCE / 2) / stdtrit(pairs - 1, 0.975)
    centre, half = (math.log(low) + math.log(high)) / 2, (math.log(high) - math.log(low)) / 2 * wider
    return centre - half, centre + half


_NEVER = "never: at this end of the speed-up's interval compilation saves nothing"


def _no_interval(eager: Sequence[float], compiled: Sequence[float], ratio: PairedMetric) -> str | None:
    if ratio.ci_low is None:
        return f"no interval of the speed-up: {ratio.ci_low_why}"
    fewest = min(len(eager), len(compiled))
    if fewest < MIN_STARTS:
        return (
            f"the spread of starts is not known: {len(eager)} eager and {len(compiled)} compiled were measured, "
            f"{MIN_STARTS} of each are needed (benchmark.startup_repeats)"
        )
    return None
