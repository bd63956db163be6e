"""The highest request rate at which a server keeps the SLO: bracketing, then bisection, every rate repeated."""

from __future__ import annotations

from dataclasses import dataclass, field

from evalpress.params.schema import SloSearchParams
from evalpress.sections.serving.load import Loads
from evalpress.sections.serving.point import nullable
from evalpress.sections.serving.points import Rate
from evalpress.sections.serving.results import Search
from evalpress.sections.serving.servers import Target

_STEP_DOWN = 0.5
_SMALLEST = 0.02
"""Rates below this share of saturation are not tried."""


@dataclass
class _Bracket:
    """The rates tried on one server: those that kept the SLO and those that did not."""

    kept: dict[float, Rate] = field(default_factory=dict)
    broken: dict[float, Rate] = field(default_factory=dict)

    def add(self, rate: Rate, needed: float) -> None:
        """A rate keeps the SLO where every repeat does."""
        each = [run.slo_attainment for run in rate.runs]
        good = all(share is not None and share >= needed for share in each)
        (self.kept if good else self.broken)[rate.request_rate] = rate

    def bounds(self) -> tuple[float | None, float | None]:
        """The lowest rate that broke the SLO, and the highest below it that kept it."""
        high = min(self.broken, default=None)
        low = max((rate for rate in self.kept if high is None or rate < high), default=None)
        return low, high


def search(loads: Loads, asked: SloSearchParams, peak: dict[str, float]) -> dict[str, Search]:
    """The search on every server, which take turns at each step.

    Args:
        peak: request throughput at saturation by mode, in requests per second.
    """
    brackets = {target.mode: _Bracket() for target in loads.targets}
    for rate in loads.rates:
        brackets[rate.mode].add(rate, asked.attainment)
    tried: dict[str, list[Rate]] = {mode: [] for mode in brackets}
    for index in range(asked.steps):
        for target in loads.turn(index):
            rate_wanted = _next(brackets[target.mode], peak[target.mode])
            if rate_wanted is not None:
                found = _try(loads, target, round(rate_wanted, 3))
                brackets[target.mode].add(found, asked.attainment)
                tried[target.mode].append(found)
    return {mode: _result(bracket, asked, tried[mode]) for mode, bracket in brackets.items()}


def _next(bracket: _Bracket, peak: float) -> float | None:
    low, high = bracket.bounds()
    if high is None:
        return peak if low is None or low < peak else low * 1.25
    if low is None:
        return high * _STEP_DOWN if high * _STEP_DOWN > _SMALLEST * peak else None
    return (low + high) / 2


def _try(loads: Loads, target: Target, rate: float) -> Rate:
    name = f"search-{rate:g}"
    for repeat in range(loads.job.params.serving.repeats):
        loads.poisson(target, rate, name, repeat)
    return loads.rate(target, name, rate, None)


def _result(bracket: _Bracket, asked: SloSearchParams, tried: list[Rate]) -> Search:
    low, high = bracket.bounds()
    goodput = bracket.kept[low].request_goodput if low is not None else None
    none_kept = f"no rate tried kept the SLO for {asked.attainment:.0%} of the requests"
    certain = _certain(bracket, asked.attainment)
    return Search(
        attainment_min=asked.attainment,
        tried=tuple(tried),
        **nullable("certain_rate", certain[0], "no rate tried has its whole interval above the limit"),
        **nullable("certain_rate_high", certain[1], "no rate tried has its whole interval below the limit"),
        **nullable("request_rate", low, none_kept),
        **nullable("request_rate_high", high, "every rate tried kept the SLO"),
        **nullable("request_goodput", goodput, none_kept),
    )


def _certain(bracket: _Bracket, needed: float) -> tuple[float | None, float | None]:
    """The rates between which the highest one lies, by the intervals of the attainment at the rates tried."""
    tried = sorted([*bracket.kept.items(), *bracket.broken.items()])
    above = {rate: one.slo_attainment_high is not None and one.slo_attainment_high < needed for rate, one in tried}
    high = next((rate for rate, _ in tried if above[rate]), None)
    kept = [r for r, one in tried if one.slo_attainment_low is not None and one.slo_attainment_low >= needed]
    broken = min(bracket.broken, default=None)
    low = max((rate for rate in kept if broken is None or rate < broken), default=None)
    return low, high
