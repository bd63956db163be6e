"""Rows of the serving section: every load that was put on both runs' servers, and the highest throughput."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalpress.report.compare.between_runs import Machine, Spread, pooled, ratio_of_few
from evalpress.report.compare.row import Row, judged, not_comparable
from evalpress.report.compare.run import Run
from evalpress.sections.serving.points import Point

_METRICS = (("output_throughput", "tok/s", True), ("mean_ttft_ms", "ms", False), ("mean_tpot_ms", "ms", False))
_RATE_METRICS = _METRICS[1:]
"""At a given rate of arrivals the throughput is what was offered."""
_SHAPE = ("input_len", "output_len")
Points = Mapping[tuple[str, str], Point]


def rows(a: Run, b: Run, machine: Machine, why_not: str) -> Iterator[Row]:
    """One row per load, mode and figure. Loads are paired by concurrency; rates follow a server's own speed."""
    if "serving" not in a.sections or "serving" not in b.sections:
        return
    first, second = a.sections["serving"].data, b.sections["serving"].data
    points = _points(first), _points(second)
    spreads = {metric: (_spread(points[0], metric), _spread(points[1], metric)) for metric, _, _ in _METRICS}
    for key, point in points[0].items():
        other = points[1].get(key)
        if other is None:
            continue
        mode, load = key
        reason = why_not or _not_alike(point, other)
        for metric, unit, more in _METRICS if hasattr(point, "concurrency") else _RATE_METRICS:
            name = f"serving.{mode}.{load}.{metric}"
            yield from _row(name, unit, (point, other), metric, spreads[metric], machine, reason, more)
    yield from _saturation(first, second, why_not)
    for mode, server in first.servers.items():
        there = second.servers.get(mode)
        if there is not None and None not in (server.ready_s, there.ready_s):
            why = why_not or "one start of each server per run: no interval"
            yield not_comparable(f"serving.{mode}.ready_s", "s", why, server.ready_s, there.ready_s)


def _points(data: Any) -> dict[tuple[str, str], Point]:
    found: dict[tuple[str, str], Point] = {
        (level.mode, f"concurrency_{level.concurrency}"): level for level in data.levels
    }
    return found | {(rate.mode, f"rate_{rate.request_rate:g}"): rate for rate in data.rates}


def _values(point: Point, metric: str) -> list[float]:
    """One positive figure per repeat; empty where a repeat has none."""
    found = [getattr(run, metric) for run in point.runs]
    return found if all(value is not None and value > 0 for value in found) else []


def _spread(points: Points, metric: str) -> Spread:
    return pooled({"/".join(key): _values(point, metric) for key, point in points.items()})


def _not_alike(a: Point, b: Point) -> str:
    differ = [f"{key} {getattr(a, key)} and {getattr(b, key)}" for key in _SHAPE if getattr(a, key) != getattr(b, key)]
    if differ:
        return f"other requests: {', '.join(differ)}"
    return "the client was the bottleneck in one of the runs" if a.client_bound or b.client_bound else ""


def _row(
    name: str,
    unit: str,
    pair: tuple[Point, Point],
    metric: str,
    spreads: tuple[Spread, Spread],
    machine: Machine,
    why_not: str,
    more_is_better: bool,
) -> Iterator[Row]:
    first, second = (_values(point, metric) for point in pair)
    if not first or not second:
        return
    a, b = _geometric_mean(first), _geometric_mean(second)
    if why_not:
        yield not_comparable(name, unit, why_not, a, b)
    else:
        yield judged(name, unit, a, b, ratio_of_few(first, second, spreads, machine), more_is_better=more_is_better)


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _saturation(a: Any, b: Any, why_not: str) -> Iterator[Row]:
    for mode, found in a.saturation.items():
        other = b.saturation.get(mode)
        if other is not None:
            why = why_not or "the best of several loads, which has no interval; the loads themselves are judged"
            values = found.output_throughput, other.output_throughput
            yield not_comparable(f"serving.{mode}.highest_throughput", "tok/s", why, *values)
