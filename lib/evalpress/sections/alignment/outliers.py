"""Positions whose error stands out: one wrong position in a thousand hardly changes a mean.

The error of a position is its centred RMSE, which no shift of a row changes. It is compared with what correct
arithmetic causes at that position: the noise floor's error there, and at least the noise floor's median over all
positions, since one position of the noise floor is one draw. `benchmarks/correct_noise.py` measures the
errors of correct implementations.

In a mixture of experts a router may take another expert at a near tie, in a correct implementation at other positions
than in the noise floor. Every later token of the text depends on it. Such positions are no fault as long as the median
text has few of them, and all texts together no more than one early flip in a long text explains. Of few texts, one may
be moved as a whole.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evalpress.core.floats import spacing
from evalpress.sections.alignment.agreement_results import Outlier, Outliers
from evalpress.sections.alignment.metrics import Rows

FACTOR = 8.0
"""A position stands out beyond this many times the rounding error: twice what other attention kernels reach on a
trained model (3.8 at one of 801 positions; 2.3 over all runs of SmolLM2-135M, 1,691 positions)."""
ROUTED_FACTOR = 4.0
"""The same for a mixture of experts, where positions are counted and those that do not stand out are judged."""
FLOAT32_DISTANCE = 1e-3
"""In float32 the noise floor is the order of sums alone; there a position stands out by its relative distance."""
SHARE = 0.35
"""Share of all positions that a router may move where the noise floor does not: one early flip moves a whole text."""
TEXT_SHARE = 0.1
"""The same of the positions of the median text, two left out: most texts have no early flip. Chosen on runs of tiny
OLMoE models: at most 0.05 in 54 runs of correct implementations, at least 0.14 in 10 with two swapped experts."""
FEW_TEXTS = 4
"""Of two to so many texts, one that an early flip moves decides the median and is a large share of all positions: the
lower of two middle texts is judged, and the longest may be moved. Seen on a tiny Mixtral in float16, of which 11 of the
16 generated tokens of one of two texts moved."""
_FEW, _SIGMAS = 3, 3.0
_FREE = 2
"""Positions of a text that a flip may move without counting: of a few generated tokens two are a large share."""
_LISTED = 20
_UNIFORM = math.sqrt(12)
"""Spacings over the RMS of rounding to them."""


def errors(rows: Rows) -> NDArray[np.float64]:
    """Centred RMSE of every position, in logits: float64 [positions]."""
    found: NDArray[np.float64] = np.sqrt(np.maximum(0.0, rows["mse"] - rows["mean_difference"] ** 2))
    return found


def ratios(rows: Rows, floor: Rows, every: Rows, dtype: str) -> NDArray[np.float64]:
    """Error over rounding error of every position, float64 [positions]; beyond a factor it stands out.

    Args:
        rows: the run's records.
        floor: the noise floor's at the same positions.
        every: the noise floor's at all positions.
        dtype: of both.
    """
    found: NDArray[np.float64]
    if dtype == "float32":
        found = np.nan_to_num(rows["relative_euclidean_distance"]) * (FACTOR / FLOAT32_DISTANCE)
        return found
    stored = spacing(floor["top_logits"][:, 0, 0], dtype) / _UNIFORM
    least = np.maximum(stored, np.median(errors(every)))
    found = errors(rows) / np.maximum(errors(floor), least)
    return found


def allowed(count: int, of_floor: int, lengths: Sequence[int]) -> int:
    """How many positions of a mixture of experts may stand out that do not stand out in the noise floor.

    Args:
        count: positions that stand out in the run alone.
        of_floor: those that stand out in the noise floor alone.
        lengths: compared positions of every text.
    """
    one_text = max(lengths) if 1 < len(lengths) <= FEW_TEXTS else 0
    return int(max(_FEW, SHARE * sum(lengths), one_text, of_floor + _SIGMAS * math.sqrt(count + of_floor)))


def summary(found: Mapping[str, tuple[Rows, NDArray[np.float64]]], of_floor: int | None = None) -> Outliers:
    """The positions that stand out, the furthest first.

    Args:
        found: text -> its records and `ratios`.
        of_floor: for a mixture of experts: positions that stand out in the noise floor alone.
    """
    factor = FACTOR if of_floor is None else ROUTED_FACTOR
    rows = [
        Outlier(prompt_id=text, position=int(row["position"]), error=float(error), ratio=float(ratio))
        for text, (of_text, values) in found.items()
        for row, error, ratio in zip(of_text, errors(of_text), values, strict=True)
        if ratio > factor
    ]
    rows.sort(key=lambda row: -row.ratio)
    lengths = [len(of_text) for of_text, _ in found.values()]
    return Outliers(
        count=len(rows),
        text_share=None if of_floor is None else _of_the_median_text(found, factor),
        allowed=0 if of_floor is None else allowed(len(rows), of_floor, lengths),
        factor=factor,
        largest_ratio=max((float(values.max()) for _, values in found.values()), default=0.0),
        list=tuple(rows[:_LISTED]),
    )


def _of_the_median_text(found: Mapping[str, tuple[Rows, NDArray[np.float64]]], factor: float) -> float:
    counts = [(int((values > factor).sum()), len(values)) for _, values in found.values()]
    shares = [max(0, count - _FREE) / n for count, n in counts]
    return statistics.median_low(shares) if len(shares) <= FEW_TEXTS else statistics.median(shares)
