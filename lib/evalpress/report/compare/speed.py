"""Rows of the benchmark: speed of every workload in every mode, the change between modes, starts and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from evalpress.params.engine import COMPILED
from evalpress.report.compare.between_runs import Machine, Ratio, drift, ratio
from evalpress.report.compare.row import Row, exact, judged, not_comparable
from evalpress.report.compare.run import Run, machine_change
from evalpress.sections.benchmark.observations import Block, Blocks, Request
from evalpress.sections.benchmark.results import PairedMetric
from evalpress.sections.benchmark.results import Results as Benchmark

_METRICS = (("output_throughput", "tok/s", True), ("mean_ttft_ms", "ms", False), ("mean_tpot_ms", "ms", False))
_SHAPE = ("kind", "num_prompts", "input_len", "output_len", "concurrent")


def rows(a: Run, b: Run, why_not: str) -> Iterator[Row]:
    """Rows of the benchmark; `why_not` is the reason where speeds are not of the same thing."""
    if "benchmark" not in a.sections or "benchmark" not in b.sections:
        return
    first, second = a.sections["benchmark"].data, b.sections["benchmark"].data
    blocks = a.blocks, b.blocks
    machine = machine_of(a, b)
    for workload in first.workloads:
        if workload not in second.workloads:
            continue
        reason = why_not or _other_shape(first.workloads[workload], second.workloads[workload])
        for mode in first.modes:
            if mode in second.modes:
                yield from _speeds(f"benchmark.{mode}.{workload}", blocks, (workload, mode), machine, reason)
        yield from _changes(workload, first, second, reason)
    is_set = any(run.sections["benchmark"].params["engine"].get("kv_cache_gib") is not None for run in (a, b))
    yield from _engines(first, second, machine, why_not, is_set)


def machine_of(a: Run, b: Run) -> Machine:
    """What may move either run as a whole, by their benchmarks; nothing where one has none."""
    if "benchmark" not in a.sections or "benchmark" not in b.sections:
        return Machine()
    return Machine((_drift(a.blocks), _drift(b.blocks)), machine_change(a, b))


def _drift(blocks: Blocks) -> float:
    return drift(
        {
            f"{workload}/{mode}": _per_block(found, "output_throughput")
            for workload, modes in blocks.items()
            for mode, found in modes.items()
        }
    )


def _per_block(blocks: Sequence[Block], metric: str) -> list[float]:
    """One figure per block; empty where a block has none."""
    if metric == "output_throughput":
        return [sum(r.output_tokens for r in block.requests) / block.duration for block in blocks]
    found = [[value for r in block.requests if (value := _latency_ms(r, metric)) is not None] for block in blocks]
    return [sum(values) / len(values) for values in found] if all(found) else []


def _latency_ms(request: Request, metric: str) -> float | None:
    """TTFT or TPOT of one observed request; None for the TPOT of a single output token."""
    if metric == "mean_ttft_ms":
        return 1e3 * request.ttft
    gaps = request.output_tokens - 1
    return 1e3 * (request.e2el - request.ttft) / gaps if gaps > 0 else None


def _other_shape(a: Any, b: Any) -> str:
    differ = [f"{key} {getattr(a, key)} and {getattr(b, key)}" for key in _SHAPE if getattr(a, key) != getattr(b, key)]
    return f"other requests: {', '.join(differ)}" if differ else ""


def _speeds(
    name: str, blocks: tuple[Blocks, Blocks], at: tuple[str, str], machine: Machine, why_not: str
) -> Iterator[Row]:
    workload, mode = at
    for metric, unit, more in _METRICS:
        first, second = (_per_block(run[workload][mode], metric) for run in blocks)
        if not first or not second:
            continue
        a, b = (math.exp(sum(map(math.log, values)) / len(values)) for values in (first, second))
        if why_not:
            yield not_comparable(f"{name}.{metric}", unit, why_not, a, b)
        else:
            yield judged(f"{name}.{metric}", unit, a, b, ratio(first, second, machine), more_is_better=more)


def _changes(workload: str, a: Benchmark, b: Benchmark, why_not: str) -> Iterator[Row]:
    """Each compiling mode against eager: both modes of a run use the same machine, so its drift cancels."""
    for mode, found in a.pairs.items():
        both = [one.comparison.get(workload, {}) for one in (found, b.pairs[mode])] if mode in b.pairs else []
        pair = [one["output_throughput"] for one in both if "output_throughput" in one]
        if len(pair) == 2:
            name = workload if mode == COMPILED else f"{mode}.{workload}"
            yield _change(f"benchmark.speed_up.{name}", pair, why_not)


def _change(name: str, pair: Sequence[PairedMetric], why_not: str) -> Row:
    known = [
        (one.ratio, math.log(one.ci_high / one.ci_low) / 2)
        for one in pair
        if one.ratio is not None and one.ci_low is not None and one.ci_high is not None
    ]
    if why_not or len(known) < len(pair):
        why = why_not or "no interval in one of the runs"
        return not_comparable(name, "×", why, *(one.ratio for one in pair))
    (first, half_a), (second, half_b) = known
    half, found = math.hypot(half_a, half_b), second / first
    interval = Ratio(found, found * math.exp(-half), found * math.exp(half))
    return judged(name, "×", first, second, interval, more_is_better=True)


def _engines(a: Any, b: Any, machine: Machine, why_not: str, cache_is_set: bool) -> Iterator[Row]:
    for mode in a.modes:
        if mode not in b.modes:
            continue
        first, second = a.modes[mode], b.modes[mode]
        yield _start(f"startup.{mode}.total_s", first, second, machine, why_not)
        for key in _PHASES:
            values = getattr(first.startup, key), getattr(second.startup, key)
            if None not in values and max(values) >= _LEAST_S:
                yield not_comparable(f"startup.{mode}.{key}", "s", why_not or _ONE_START, *values)
        cold = [mode.startup_cold for mode in (first, second)]
        if None not in cold:
            totals = [start.total_s for start in cold]
            yield not_comparable(f"startup_cold.{mode}.total_s", "s", why_not or _ONE_START, *totals)
        yield from _memory(mode, first.memory, second.memory, cache_is_set)


def _memory(mode: str, a: Any, b: Any, cache_is_set: bool) -> Iterator[Row]:
    for key, unit, more in (("model_weights_gib", "GiB", False), ("kv_cache_tokens", "tokens", True)):
        values = getattr(a, key), getattr(b, key)
        if None in values:
            continue
        if key == "kv_cache_tokens" and cache_is_set and values[0] != values[1]:
            why = "its size is a setting (engine.kv_cache_gib), not what the engine left free"
            yield not_comparable(f"memory.{mode}.{key}", unit, why, *values)
        else:
            said = "as the engines said; no scatter"
            yield exact(f"memory.{mode}.{key}", unit, *values, more_is_better=more, why=said)


_PHASES = ("import_s", "load_weights_s", "compile_s", "graph_capture_s", "kv_cache_s")
_LEAST_S = 0.5
"""A phase that is shorter in both runs is left out."""
_ONE_START = "one start of each kind per run: no interval"


def _start(name: str, a: Any, b: Any, machine: Machine, why_not: str) -> Row:
    """The start of an engine, judged where both runs repeated it."""
    starts: list[list[float]] = [[mode.startup.total_s, *mode.startup_repeats_s] for mode in (a, b)]
    first, second = (math.exp(sum(map(math.log, values)) / len(values)) for values in starts)
    if why_not or min(map(len, starts)) < _STARTS:
        return not_comparable(name, "s", why_not or _ONE_START, first, second)
    return judged(name, "s", first, second, ratio(starts[0], starts[1], machine), more_is_better=False)


_STARTS = 3
"""Fewer starts give no meaningful interval: Student's factor is 12.7 for two."""
