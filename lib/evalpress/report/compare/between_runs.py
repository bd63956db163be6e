"""The ratio of two runs' figures, with an interval that also covers how much a machine's speed moves.

Blocks of one run show how much a figure scatters around that run's own mean. They do not show how the whole run
differs from others: a shared machine may be slow for an hour. Two other figures do. All series of a run are measured in
turns, block by block, so what moves them together is the machine: the spread of that common factor over the run is
taken as the uncertainty of the run as a whole, and is not divided by the number of blocks. And both runs measured the
peak rates of their machine: on the same kind of host, the ratio of those rates is no property of the software.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Series = Mapping[str, Sequence[float]]
"""Name of a series -> one positive figure per block, in the order of measuring."""

ANOTHER = 2.0
"""Ratio of a machine's own rates from which it counts as another machine: the interval would span a factor of 30."""


@dataclass(frozen=True)
class Ratio:
    """b / a with a 95 % interval; bounds are None with a reason where there is none."""

    ratio: float
    ci_low: float | None
    ci_high: float | None
    why: str = ""


@dataclass(frozen=True)
class Spread:
    """A standard deviation on a log scale, and the degrees of freedom behind it."""

    deviation: float
    degrees: int


@dataclass(frozen=True)
class Machine:
    """What may move a whole run: `drifts` of either run, and `change`, the log of the ratio of the machine's rates."""

    drifts: tuple[float, float] = (0.0, 0.0)
    change: float = 0.0

    @property
    def variance(self) -> float:
        """Of the log of the ratio of two runs, from all of it."""
        return sum(one * one for one in self.drifts) + self.change**2


def drift(series: Series) -> float:
    """Standard deviation, on a log scale, of what moves all series of one run together from block to block.

    Estimated from the means over series of each block's deviation, less what independent scatter would leave in them.
    0 with fewer than two blocks.
    """
    logs = [np.log(values) for values in series.values() if len(values) > 1 and min(values) > 0]
    if not logs:
        return 0.0
    blocks = min(len(values) for values in logs)
    deviations = np.array([values[:blocks] - values[:blocks].mean() for values in logs])
    common = deviations.mean(axis=0)
    left = (deviations - common).var(ddof=1) / len(logs) if len(logs) > 1 else 0.0
    return float(math.sqrt(max(common.var(ddof=1) - left, 0.0)))


def pooled(series: Series) -> Spread:
    """Scatter of all series of a run around their own means, on a log scale.

    For series of too few blocks to have a spread of their own. 0 with 0 degrees where every series has one block.
    """
    logs = [np.log(values) for values in series.values() if len(values) > 1 and min(values) > 0]
    degrees = sum(len(values) - 1 for values in logs)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in logs)
    return Spread(math.sqrt(squares / degrees) if degrees else 0.0, degrees)


def ratio(a: Sequence[float], b: Sequence[float], machine: Machine, confidence: float = 0.95) -> Ratio:
    """Geometric mean of `b` over that of `a`, with an interval from the scatter within and what moves both runs.

    Args:
        a, b: one positive figure per block.
    """
    first, second = np.log(a), np.log(b)
    difference = float(second.mean() - first.mean())
    blocks = min(len(a), len(b))
    if abs(machine.change) > math.log(ANOTHER):
        return _of_another_machine(difference, machine)
    if blocks < 2:
        return Ratio(math.exp(difference), None, None, "one block has no spread to make an interval from")
    variance = first.var(ddof=1) / len(a) + second.var(ddof=1) / len(b) + machine.variance
    return _interval(difference, variance, blocks - 1, confidence)


def ratio_of_few(
    a: Sequence[float], b: Sequence[float], spreads: tuple[Spread, Spread], machine: Machine, confidence: float = 0.95
) -> Ratio:
    """As `ratio`, with the scatter of all series of a run (`pooled`) in place of that of these few blocks."""
    difference = float(np.log(b).mean() - np.log(a).mean())
    if abs(machine.change) > math.log(ANOTHER):
        return _of_another_machine(difference, machine)
    degrees = min(one.degrees for one in spreads)
    if degrees < 2:
        return Ratio(math.exp(difference), None, None, "one repeat has no spread to make an interval from")
    scatter = sum(one.deviation**2 / len(values) for one, values in zip(spreads, (a, b), strict=True))
    return _interval(difference, scatter + machine.variance, degrees, confidence)


def _of_another_machine(difference: float, machine: Machine) -> Ratio:
    """No interval: it would hold every difference that software makes."""
    why = f"the machine's own rates differ by a factor of {math.exp(abs(machine.change)):.1f} between the runs"
    return Ratio(math.exp(difference), None, None, why)


def _interval(difference: float, variance: float, degrees: int, confidence: float) -> Ratio:
    half = float(stats.t.ppf((1 + confidence) / 2, degrees)) * math.sqrt(variance)
    if half > math.log(1e6):
        return Ratio(math.exp(difference), None, None, "the runs scatter too much for an interval")
    return Ratio(math.exp(difference), math.exp(difference - half), math.exp(difference + half))
