"""The line through end-to-end latency against output length."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block, request
from evalpress.sections.benchmark.output_line import output_line, weighted_line

LENGTHS = (16, 64, 256)


def series(rng, blocks, noise):
    """Blocks of each length; E2EL in seconds is 0.02 + 0.003 × length, and noise(length) on top."""
    times = {n: [0.02 + 0.003 * n + noise(rng, n) for _ in range(blocks)] for n in LENGTHS}
    return [[block(1.0, request(0.01, t, n)) for t in times[n]] for n in LENGTHS]


def test_the_line_is_numpys_with_weights():
    rng = np.random.default_rng(3)
    points = [(float(n), 20 + 3 * n + rng.normal(0, 0.1 * n)) for n in LENGTHS for _ in range(5)]
    slope, intercept, r_squared = weighted_line(points)
    x, y = np.array(points).T
    assert (slope, intercept) == pytest.approx(tuple(np.polyfit(x, y, 1, w=1 / x)))
    assert 0.9 < r_squared < 1


@pytest.mark.parametrize("power", [0, 1, 2])
def test_the_interval_covers_the_slope_whatever_the_spread_at_each_length(power):
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(400):
        found = output_line(series(rng, 6, lambda rng, n: rng.normal(0, 0.01 * (n / 64) ** power)))
        hits += found.ms_per_token_low <= 3.0 <= found.ms_per_token_high
    assert 0.92 <= hits / 400 <= 0.98


def test_two_blocks_are_not_enough():
    found = output_line(series(np.random.default_rng(1), 2, lambda rng, n: rng.normal(0, 0.01)))
    assert found.ms_per_token is not None and found.ms_per_token_low is None
    assert found.ms_per_token_low_why == "not enough blocks: 2 with every length, 3 are needed"


def test_one_length_makes_no_line():
    found = output_line([[block(1.0, request(0.1, 1.0, 16))]])
    assert found.ms_per_token is None and found.intercept_ms_why.startswith("fewer than two output lengths")
