"""Percentiles of latencies, with intervals that account for the correlation of neighbouring requests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evalpress.core.stats import FEWEST

CONFIDENCE = 0.95
NEEDED = {name: FEWEST[name] for name in ("median", "p90", "p99")}
"""Fewest requests with which a percentile is printed: with fewer, none is beyond it."""
QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99}
_MARGIN = 2.0
"""The dependence of neighbouring requests counts so many times what the sequence shows: short sequences show too
little of it. With 2, intervals of the p90 of a queue at a load of 0.8 cover it as often as they should."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a percentile in the unit of the values; a bound that the data cannot give is null, with the reason."""

    low: float | None
    high: float | None
    why: str | None = None


def interval(values: ArrayLike, share: float) -> Interval:
    """The 95 % interval of a percentile by order statistics.

    The ranks are those of the Clopper-Pearson interval of a binomial share (Hahn and Meeker, Statistical Intervals,
    1991), for as many independent values as the sequence is worth: requests that are served together resemble each
    other, so the number is divided by the inflation of the variance, from the autocorrelation of «is at most the
    percentile» and of the values, whichever is more (initial monotone sequence: Geyer, Practical Markov Chain Monte
    Carlo, 1992). A bound is null where as many independent values would lie on one side of the percentile in more than
    2.5 % of the cases. No interval is withheld as a whole: it would be where the queue is long, and those that are
    given would be too low.

    Args:
        values: one per request, in the order in which they were sent.
        share: between 0 and 1; 0.99 for p99.
    """
    found = np.asarray(values, dtype=np.float64)
    below = (found <= np.quantile(found, share)).astype(np.float64)
    dependence = max(inflation(below), inflation(found)) - 1.0
    independent = found.size / (1.0 + _MARGIN * dependence)
    tail = (1 - CONFIDENCE) / 2
    hits = share * independent
    low = float(stats.beta.ppf(tail, hits, independent - hits + 1))
    high = float(stats.beta.ppf(1 - tail, hits + 1, independent - hits))
    ranked = np.sort(found)
    first = max(math.floor(low * found.size), 1)
    last = min(math.ceil(high * found.size), found.size)
    bounds = (
        float(ranked[first - 1]) if (1 - share) ** independent <= tail else None,
        float(ranked[last - 1]) if share**independent <= tail else None,
    )
    if None not in bounds:
        return Interval(*bounds)
    return Interval(
        *bounds, f"{found.size} requests count as about {independent:.0f} independent ones, too few for this bound"
    )


def share_interval(kept: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of a share (Clopper and Pearson, 1934), for as many requests as the sequence is worth.

    Args:
        kept: 1 or 0 per request, in the order in which they were sent; at least one.
    """
    found = np.asarray(kept, dtype=np.float64)
    independent = found.size / (1.0 + _MARGIN * (inflation(found) - 1.0))
    hits = float(found.mean()) * independent
    tail = (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(tail, hits, independent - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, independent - hits)) if hits < independent else 1.0
    return low, high


def inflation(values: NDArray[np.float64]) -> float:
    """How many times the variance of the mean exceeds that of independent values; at least 1."""
    size = values.size
    centred = values - values.mean()
    if size < 4 or not centred.any():
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum))[:size]
    correlation = covariance / covariance[0]
    pairs = correlation[1 : size // 2 - 1 : 2] + correlation[2 : size // 2 : 2]
    positive = pairs[: int(np.argmax(pairs <= 0))] if (pairs <= 0).any() else pairs
    return max(1.0, 1.0 + 2.0 * float(np.minimum.accumulate(positive).sum())) if positive.size else 1.0
