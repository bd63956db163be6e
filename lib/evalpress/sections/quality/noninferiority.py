"""Paired accuracies of two runs: their difference with its interval, compared with a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from evalpress.core.stats import wilson_interval

Conclusion = Literal["not inferior", "inferior", "undecided"]
_Z95, _Z80 = 1.959964, 0.841621
"""Normal quantiles: two-sided 95 %, and a power of 80 %."""


@dataclass(frozen=True)
class Difference:
    """This run's accuracy minus the other's, in shares."""

    difference: float
    ci_low: float
    ci_high: float
    smallest_detectable: float
    """The difference that this many pairs, with disagreements this frequent, find with a power of 80 %."""
    conclusion: Conclusion


def compare(both: int, only_this: int, only_other: int, neither: int, margin: float) -> Difference:
    """The difference of two paired proportions with Newcombe's 95 % interval (1998, method 10).

    Args:
        both, only_this, only_other, neither: items by which run got them right; at least one item.
        margin: the loss that is still acceptable, a share above 0.

    This run is not inferior when the whole interval is above -margin, inferior when the whole interval is below it.

    Raises:
        ValueError: no item.
    """
    n = both + only_this + only_other + neither
    if n == 0:
        raise ValueError("n: found 0, allowed at least one item")
    ours, theirs = (both + only_this) / n, (both + only_other) / n
    (low_1, high_1), (low_2, high_2) = wilson_interval(both + only_this, n), wilson_interval(both + only_other, n)
    phi = _correlation(both, only_this, only_other, neither)
    below = _distance(ours - low_1, high_2 - theirs, phi)
    above = _distance(high_1 - ours, theirs - low_2, phi)
    low, high = max(-1.0, ours - theirs - below), min(1.0, ours - theirs + above)
    conclusion: Conclusion = "not inferior" if low > -margin else "inferior" if high < -margin else "undecided"
    unequal = max(only_this + only_other, 1) / n
    detectable = min(1.0, (_Z95 + _Z80) * math.sqrt(unequal / n))
    return Difference(ours - theirs, low, high, detectable, conclusion)


def _correlation(both: int, only_this: int, only_other: int, neither: int) -> float:
    """Phi of the 2 x 2 table with Newcombe's continuity correction; 0 where a margin is empty."""
    n = both + only_this + only_other + neither
    margins = (both + only_this) * (only_other + neither) * (both + only_other) * (only_this + neither)
    if margins == 0:
        return 0.0
    cross = both * neither - only_this * only_other
    corrected = max(cross - n / 2, 0.0) if cross >= 0 else float(cross)
    return corrected / math.sqrt(margins)


def _distance(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))
