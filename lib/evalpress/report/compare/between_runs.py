"""The ratio of two runs' figures, with an interval that also covers how much a machine's speed moves.

Blocks of one run tell how much a figure scatters around that run's own mean. They do not tell where the whole run lies:
on a shared machine a run may fall into a slow hour. All series of a run are measured in turns, block by block, so what
moves them together is the machine. The spread of that common factor over the run is taken as the uncertainty of the
run as a whole, and is not divided by the number of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Series = Mapping[str, Sequence[float]]
"""Name of a series -> one positive figure per block, in the order of measuring."""


@dataclass(frozen=True)
class Ratio:
    """b / a with a 95 % interval; bounds are None with a reason where there is none."""

    ratio: float
    ci_low: float | None
    ci_high: float | None
    why: str = ""


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


def ratio(a: Sequence[float], b: Sequence[float], drifts: tuple[float, float], confidence: float = 0.95) -> Ratio:
    """Geometric mean of `b` over that of `a`, with an interval from the scatter within and the drift of both runs.

    Args:
        a, b: one positive figure per block.
        drifts: `drift` of either run.
    """
    first, second = np.log(a), np.log(b)
    difference = float(second.mean() - first.mean())
    blocks = min(len(a), len(b))
    if blocks < 2:
        return Ratio(math.exp(difference), None, None, "one block has no spread to make an interval from")
    variance = first.var(ddof=1) / len(a) + second.var(ddof=1) / len(b) + sum(one * one for one in drifts)
    half = float(stats.t.ppf((1 + confidence) / 2, blocks - 1)) * math.sqrt(variance)
    if half > math.log(1e6):
        return Ratio(math.exp(difference), None, None, "the runs scatter too much for an interval")
    return Ratio(math.exp(difference), math.exp(difference - half), math.exp(difference + half))
