"""Headline figures over several runs, in the order in which they are given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from evalpress.core.plain import Json
from evalpress.core.stats import mean_interval
from evalpress.report.compare.run import Run

_KINDS = ("throughput", "decode")
"""Workloads whose output throughput is a headline figure."""


@dataclass(frozen=True)
class Point:
    """One run's figure with its 95 % interval; null where the run did not measure it, or has no interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Trend:
    """One figure over all runs, in their order."""

    metric: str
    unit: str
    more_is_better: bool
    points: tuple[Point, ...]

    @property
    def change(self) -> float | None:
        """The last known value over the first; None with fewer than two."""
        known = [point.value for point in self.points if point.value is not None]
        return known[-1] / known[0] if len(known) > 1 and known[0] else None

    def as_dict(self) -> Json:
        """As `evalpress compare --json` prints it."""
        values = [{"value": one.value, "ci_low": one.low, "ci_high": one.high} for one in self.points]
        return {"metric": self.metric, "unit": self.unit, "change": self.change, "values": values}


def trends(runs: tuple[Run, ...]) -> tuple[Trend, ...]:
    """The headline figures that at least two runs measured."""
    found = [dict(_figures(run)) for run in runs]
    keys = dict.fromkeys(key for one in found for key in one)
    listed = [Trend(*key, tuple(one.get(key, Point(None)) for one in found)) for key in keys]
    return tuple(trend for trend in listed if sum(point.value is not None for point in trend.points) > 1)


def _figures(run: Run) -> Iterator[tuple[tuple[str, str, bool], Point]]:
    if benchmark := run.sections.get("benchmark"):
        blocks = run.blocks
        for mode, found in benchmark.data.modes.items():
            for workload, load in benchmark.data.workloads.items():
                if load.kind not in _KINDS:
                    continue
                rates = [
                    sum(request.output_tokens for request in block.requests) / block.duration
                    for block in blocks.get(workload, {}).get(mode, ())
                ]
                if rates:
                    yield (f"benchmark.{mode}.{workload}.output_throughput", "tok/s", True), _mean(rates)
            yield (f"startup.{mode}.total_s", "s", False), Point(found.startup.total_s)
    if serving := run.sections.get("serving"):
        for mode, best in serving.data.saturation.items():
            yield (f"serving.{mode}.highest_throughput", "tok/s", True), Point(best.output_throughput)
    if alignment := run.sections.get("alignment"):
        for name, one in alignment.data.candidates.items():
            if one.noise_ratio is not None:
                yield (f"alignment.{name}.noise_ratio", "×", False), Point(one.noise_ratio)
    if quality := run.sections.get("quality"):
        tally = quality.data.overall
        yield ("quality.pass_rate", "share", True), Point(tally.pass_rate, tally.ci_low, tally.ci_high)


def _mean(rates: list[float]) -> Point:
    """Geometric mean over blocks, with the interval of the scatter within the run."""
    logs = [math.log(rate) for rate in rates]
    bounds = mean_interval(logs) if len(logs) > 2 else None
    centre = math.exp(sum(logs) / len(logs))
    return Point(centre) if bounds is None else Point(centre, math.exp(bounds[0]), math.exp(bounds[1]))
