"""Compiled against eager, block by block."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block, request
from evalpress.sections.benchmark.comparison import compare, identical_tokens
from evalpress.sections.benchmark.results import IdenticalTokens


def pairs(count, sigma=0.0, seed=1):
    """Blocks of an engine and of one that needs 80 % of its time, on a machine whose speed drifts."""
    rng = np.random.default_rng(seed)
    eager, compiled = [], []
    for _ in range(count):
        drift = rng.uniform(0.5, 2.0)
        slow, fast = (drift * float(np.exp(rng.normal(0, sigma))) for _ in range(2))
        eager.append(block(slow, request(0.1 * slow, slow, 50)))
        compiled.append(block(fast * 0.8, request(0.1 * fast, 0.8 * fast, 50)))
    return eager, compiled


def test_a_slower_mode_is_found_with_the_right_sign():
    found = compare(*pairs(8))
    assert found["output_throughput"].ratio == pytest.approx(1.25)
    assert found["output_throughput"].ci_low > 1
    assert found["mean_e2el_ms"].ratio == pytest.approx(0.8)
    assert found["output_throughput"].n_pairs == 8


@pytest.mark.parametrize("count", [1, 2])
def test_two_blocks_are_not_enough_for_an_interval(count):
    found = compare(*pairs(count, sigma=1.0))["mean_ttft_ms"]
    assert found.ratio is not None and found.ci_low is None and found.ci_high is None
    assert found.ci_low_why == f"not enough blocks: {count} paired, 3 are needed for an interval"
    assert compare(*pairs(3, sigma=1.0))["mean_ttft_ms"].ci_low is not None


def test_what_was_not_observed_in_every_block_is_not_compared():
    eager, compiled = pairs(3)
    compiled[1] = block(1.0, request(0.1, 0.1, 1))
    found = compare(eager, compiled)["mean_tpot_ms"]
    assert found.ratio is None and found.ratio_why == "mean_tpot_ms was not observed in every block"


def test_identical_tokens_are_counted_pairwise():
    a = [block(1.0, request(0.1, 1, 5, sha="a"), request(0.1, 1, 5, sha="b"))]
    b = [block(1.0, request(0.1, 1, 5, sha="a"), request(0.1, 1, 5, sha="c"))]
    assert identical_tokens(a, b) == IdenticalTokens(identical=1, of=2)
