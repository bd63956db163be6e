"""The line through end-to-end latency against output length, one request at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalpress.core import stats
from evalpress.core.results import nulls
from evalpress.sections.benchmark.observations import Block
from evalpress.sections.benchmark.results import OutputLine

Point = tuple[float, float]
"""Output tokens, E2EL in milliseconds."""
MIN_BLOCKS = 3
_KEYS = ("ms_per_token", "ms_per_token_low", "ms_per_token_high", "intercept_ms", "r_squared")


def output_line(series: Sequence[Sequence[Block]]) -> OutputLine:
    """The weighted line over all requests, with an interval over the blocks' own lines.

    The spread of E2EL grows with the output length, so the weight of a request is the reciprocal of its length squared.
    The interval of the slope is Student's over the slopes of the single blocks, in each of which every length was
    measured: it holds for any spread at each length and any correlation of the requests of one block.

    Args:
        series: measured blocks of each workload, in the order in which they were run.
    """
    points = [point for blocks in series for block in blocks for point in _points(block)]
    if len({length for length, _ in points}) < 2:
        why = "fewer than two output lengths with one request at a time"
        return OutputLine(**nulls(_KEYS, why), requests=len(points))
    slope, intercept, r_squared = weighted_line(points)
    by_block = [[point for block in blocks for point in _points(block)] for blocks in zip(*series, strict=False)]
    slopes = [weighted_line(points)[0] for points in by_block if len({length for length, _ in points}) > 1]
    interval = stats.mean_interval(slopes) if len(slopes) >= MIN_BLOCKS else None
    half = (interval[1] - interval[0]) / 2 if interval else None
    no_interval = None if interval else f"not enough blocks: {len(slopes)} with every length, {MIN_BLOCKS} are needed"
    return OutputLine(
        ms_per_token=slope,
        ms_per_token_low=None if half is None else slope - half,
        ms_per_token_low_why=no_interval,
        ms_per_token_high=None if half is None else slope + half,
        ms_per_token_high_why=no_interval,
        intercept_ms=intercept,
        r_squared=r_squared,
        requests=len(points),
        blocks=len(slopes),
    )


def _points(block: Block) -> list[Point]:
    return [(float(request.output_tokens), 1e3 * request.e2el) for request in block.requests]


def weighted_line(points: Sequence[Point]) -> tuple[float, float, float]:
    """Slope, intercept and R² of the least-squares line with weights 1 / length²."""
    x, y = np.asarray(points, dtype=np.float64).T
    weights = 1 / x**2
    weights /= weights.sum()
    dx, dy = x - weights @ x, y - weights @ y
    slope = float(weights @ (dx * dy) / (weights @ dx**2))
    total = float(weights @ dy**2)
    residual = float(weights @ (dy - slope * dx) ** 2)
    r_squared = 1.0 if total == 0.0 else max(0.0, 1.0 - residual / total)
    return slope, float(weights @ y - slope * (weights @ x)), r_squared
