"""Statistics of repeated measurements: summaries, paired ratios, intervals, fits.

Independent of models and engines. Every function refuses values that are empty or not finite, because a NaN
that slips into a mean would reach the report as a number. All intervals are two-sided.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEADY_BELOW = 0.05
UNSTEADY_ABOVE = 0.10
MIN_PAIRS = 3
"""Fewest pairs for a Student-t interval: with two (one degree of freedom) it spans powers of ten."""

Stability = Literal["steady", "fair", "unsteady"]


@dataclass(frozen=True)
class PairedRatio:
    """Geometric mean of paired ratios; the interval is null where fewer than `MIN_PAIRS` pairs leave it unknown."""

    ratio: float
    ci_low: float | None
    ci_high: float | None
    n_pairs: int

    @property
    def interval_why(self) -> str | None:
        """Why there is no interval, where there is none."""
        known = self.ci_low is not None
        return None if known else f"not enough blocks: {self.n_pairs} paired, {MIN_PAIRS} are needed for an interval"


def _finite(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    """`values` as a flat float64 array; ValueError when empty, not one-dimensional or not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: found shape {array.shape}, allowed a list of at least one number")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: found {array[~np.isfinite(array)][0]}, allowed finite numbers")
    return array


FEWEST = {"median": 1, "p90": 10, "p99": 100, "p99_9": 1000}
"""Fewest values with which a percentile is printed: with fewer, none is beyond it."""


def too_few(percentile: str, count: int, what: str) -> str | None:
    """Why a percentile of so many values is not printed, such as "8 requests, 100 are needed"; None where it is."""
    needed = FEWEST.get(percentile, 1)
    return f"{count:,} {what}, {needed:,} are needed" if count < needed else None


def percentile(values: ArrayLike, q: float) -> float:
    """The q-th percentile (0 to 100) by linear interpolation, as numpy and vLLM's benchmarks do."""
    return float(np.percentile(_finite(values), q))


def summarise(values: ArrayLike) -> dict[str, float]:
    """mean, median, std, min, max, p90 and p99, in the unit of `values`.

    `std` divides by n as `numpy.std` does, so that it is the figure that vLLM's benchmarks print.
    """
    array = _finite(values)
    p90, p99 = np.percentile(array, [90, 99])
    return {
        "mean": float(array.mean()),
        "median": float(np.median(array)),
        "std": float(array.std()),
        "min": float(array.min()),
        "max": float(array.max()),
        "p90": float(p90),
        "p99": float(p99),
    }


def coefficient_of_variation(values: ArrayLike) -> float | None:
    """Sample standard deviation (n - 1) / absolute mean, a share; None for one value or a mean of zero."""
    array = _finite(values)
    mean = abs(float(array.mean()))
    if array.size < 2 or mean == 0.0:
        return None
    return float(array.std(ddof=1)) / mean


def stability(cv: float) -> Stability:
    """The word for a coefficient of variation (a share): below 5 % steady, to 10 % fair, above unsteady.

    Raises:
        ValueError: it is negative or NaN.
    """
    if not cv >= 0.0:
        raise ValueError(f"coefficient of variation: found {cv}, allowed 0 or more")
    if cv < STEADY_BELOW:
        return "steady"
    return "unsteady" if cv > UNSTEADY_ABOVE else "fair"


def _t_quantile(confidence: float, degrees: float) -> float:
    """Half width of the two-sided Student-t interval in standard errors."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: found {confidence}, allowed between 0 and 1")
    from scipy.special import stdtrit  # late: a command that computes no interval starts without it

    return float(stdtrit(degrees, 0.5 + confidence / 2))


def paired_ratio(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> PairedRatio:
    """How many times larger `a` is than `b`, block by block: exp(mean log(a/b)) with a Student-t interval.

    Pairs cancel slow-downs of the machine that affect both members; logarithms make a/b and b/a symmetric. Fewer
    than `MIN_PAIRS` pairs have no interval.

    Args:
        a, b: one value per block, in the same unit.
        confidence: of the interval, between 0 and 1.
    Raises:
        ValueError: a value is not positive and finite, or the lists differ in length.
    """
    top, bottom = _finite(a, "a"), _finite(b, "b")
    if top.size != bottom.size:
        raise ValueError(f"pairs: found {top.size} and {bottom.size} values, allowed equally many")
    if min(top.min(), bottom.min()) <= 0.0:
        raise ValueError(f"pairs: found {min(top.min(), bottom.min())}, allowed positive numbers")
    logs = np.log(top) - np.log(bottom)
    centre, n = float(logs.mean()), int(logs.size)
    if n < MIN_PAIRS:
        return PairedRatio(math.exp(centre), None, None, n)
    half = _t_quantile(confidence, n - 1) * float(logs.std(ddof=1)) / math.sqrt(n)
    return PairedRatio(math.exp(centre), math.exp(centre - half), _exp(centre + half), n)


def _exp(value: float) -> float:
    """exp, limited to the largest float: for the bound of a very wide interval."""
    try:
        return math.exp(value)
    except OverflowError:
        return sys.float_info.max


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float] | None:
    """Student-t interval of the mean.

    Returns:
        Both bounds in the unit of `values`; None for a single value.
    Raises:
        ValueError: `values` is empty or not finite.
    """
    array = _finite(values)
    if array.size < 2:
        return None
    half = _t_quantile(confidence, array.size - 1) * float(array.std(ddof=1)) / math.sqrt(array.size)
    return float(array.mean()) - half, float(array.mean()) + half


def median_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float] | None:
    """Interval of the median from order statistics, whatever the distribution (Conover 1999, section 3.2).

    Returns:
        Both bounds in the unit of `values`; None where even the smallest and the largest value cover the median with
        less than `confidence`: below six values for 95 %.
    Raises:
        ValueError: `values` is empty or not finite.
    """
    array = np.sort(_finite(values))
    n, outside, rank = int(array.size), 0.0, 0
    for below in range(n):
        outside += 2 * math.comb(n, below) / 2**n  # fewer than below + 1 values are under the median, or over it
        if outside > 1 - confidence:
            break
        rank = below + 1
    return (float(array[rank - 1]), float(array[n - rank])) if rank else None


@dataclass(frozen=True)
class RobustLine:
    """A line's slope with its interval."""

    slope: float
    slope_low: float
    slope_high: float
    intercept: float


def robust_line(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> RobustLine:
    """The median of the slopes of all pairs of points (Theil 1950) with Sen's interval (1968): outliers move it little.

    Args:
        x, y: one value per point; at least two different x.
    Raises:
        ValueError: a list is empty or not finite, or they differ in length.
    """
    across, up = _finite(x, "x"), _finite(y, "y")
    if across.size != up.size or np.unique(across).size < 2:
        raise ValueError(f"points: found {across.size} and {up.size} values, allowed equally many, two different x")
    from scipy.stats import theilslopes

    found = theilslopes(up, across, confidence)
    return RobustLine(float(found[0]), float(found[2]), float(found[3]), float(found[1]))


def difference_interval(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> tuple[float, float] | None:
    """Interval of mean(a) - mean(b) for independent observations (Welch 1947).

    Returns:
        Both bounds in the unit of the values; None where one side has fewer than two.
    Raises:
        ValueError: one side is empty or not finite.
    """
    first, second = _finite(a, "a"), _finite(b, "b")
    if min(first.size, second.size) < 2:
        return None
    centre = float(first.mean() - second.mean())
    u, v = float(first.var(ddof=1)) / first.size, float(second.var(ddof=1)) / second.size
    if u + v == 0.0:
        return centre, centre
    degrees = (u + v) ** 2 / (u**2 / (first.size - 1) + v**2 / (second.size - 1))
    half = _t_quantile(confidence, degrees) * math.sqrt(u + v)
    return centre - half, centre + half


@lru_cache(maxsize=4096)
def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of the share successes / n (Wilson 1927), which is also valid at 0 and at n.

    Returns:
        Both bounds as shares, 0 to 1.
    Raises:
        ValueError: n is 0, or `successes` is not between 0 and n.
    """
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"share: found {successes} of {n}, allowed 0 to n of n > 0")
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact p value that two paired yes/no outcomes differ (McNemar 1947, binomial form).

    `only_first` and `only_second` count the cases that exactly one of the two got right; agreements carry no
    information. Without any disagreement the p value is 1.

    Raises:
        ValueError: a count is negative.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError(f"disagreements: found {only_first} and {only_second}, allowed 0 or more")
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second).pvalue)
