"""Percentiles of latencies, with intervals that account for the correlation of neighbouring requests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
NEEDED = {"median": 1, "p90": 10, "p99": 100}
"""Fewest requests with which a percentile is printed: with fewer, none is beyond it."""
QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99}
_BEYOND = 10.0
"""An interval needs this many independent requests on the shorter side of the percentile."""


@dataclass(frozen=True)
class Interval:
    """Bounds of a percentile in the unit of the values; null with the reason where the data give none."""

    low: float | None
    high: float | None
    why: str | None = None


def interval(values: ArrayLike, share: float) -> Interval:
    """The 95 % interval of a percentile by order statistics.

    The ranks are those of the Clopper-Pearson interval of a binomial share (Hahn and Meeker, Statistical Intervals,
    1991), for the effective number of independent values: requests that are served together are
    correlated, so the number is divided by the inflation of the variance, from the autocorrelation of «is at most the
    percentile» and of the values, whichever is more (initial monotone sequence: Geyer, Practical Markov Chain Monte
    Carlo, 1992).

    Args:
        values: one per request, in the order in which they were sent.
        share: between 0 and 1; 0.99 for p99.
    """
    found = np.asarray(values, dtype=np.float64)
    below = (found <= np.quantile(found, share)).astype(np.float64)
    independent = found.size / max(inflation(below), inflation(found))
    if independent * min(share, 1 - share) < _BEYOND:
        why = f"{found.size} requests are worth {independent:.0f} independent ones, too few for an interval"
        return Interval(None, None, why)
    tail = (1 - CONFIDENCE) / 2
    hits = share * independent
    low = float(stats.beta.ppf(tail, hits, independent - hits + 1))
    high = float(stats.beta.ppf(1 - tail, hits + 1, independent - hits))
    ranked = np.sort(found)
    first = max(math.floor(low * found.size), 1)
    last = min(math.ceil(high * found.size), found.size)
    return Interval(float(ranked[first - 1]), float(ranked[last - 1]))


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
