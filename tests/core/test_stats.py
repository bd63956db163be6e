"""The statistics against numpy and scipy, and the coverage of the paired interval by simulation."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from evalpress.core import stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)
POSITIVE = st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)), min_size=2, max_size=30)


@given(VALUES)
def test_summary_is_numpys(values: list[float]) -> None:
    found = stats.summarise(values)
    expected = {
        "mean": np.mean(values),
        "median": np.median(values),
        "std": np.std(values),
        "min": np.min(values),
        "max": np.max(values),
        "p90": np.percentile(values, 90),
        "p99": np.percentile(values, 99),
    }
    assert found == pytest.approx({key: float(value) for key, value in expected.items()})
    assert list(found) == list(expected)


@given(VALUES, st.floats(0, 100))
def test_percentile_is_numpys(values: list[float], q: float) -> None:
    assert stats.percentile(values, q) == float(np.percentile(values, q, method="linear"))


@given(POSITIVE, st.sampled_from([0.8, 0.95, 0.99]))
def test_paired_ratio_is_scipys_t_interval(pairs: list[tuple[float, float]], confidence: float) -> None:
    a, b = zip(*pairs, strict=True)
    logs = np.log(a) - np.log(b)
    found = stats.paired_ratio(a, b, confidence)
    assert found.ratio == pytest.approx(float(scipy_stats.gmean(np.divide(a, b))))
    scale = scipy_stats.sem(logs)
    if len(pairs) < stats.MIN_PAIRS:
        assert found.ci_low is None and found.ci_high is None
    elif scale > 1e-9:
        low, high = scipy_stats.t.interval(confidence, len(pairs) - 1, logs.mean(), scale)
        end = math.exp(high) if high < 709.78 else sys.float_info.max
        assert (found.ci_low, found.ci_high) == pytest.approx((math.exp(low), end))


def test_an_interval_beyond_all_numbers_ends_at_the_largest() -> None:
    assert stats.paired_ratio([3.0, 0.5, 1e300], [0.001, 891937.0, 1e-300], 0.99).ci_high == sys.float_info.max


def test_paired_ratio_mirrors_and_keeps_its_sign() -> None:
    slow, fast = [10.0, 11.0, 12.0, 10.5], [5.0, 5.6, 5.9, 5.2]
    there, back = stats.paired_ratio(slow, fast), stats.paired_ratio(fast, slow)
    assert there.ci_low is not None and back.ci_high is not None
    assert there.ci_low > 1.9 and back.ci_high < 1 / 1.9
    assert there.ratio * back.ratio == pytest.approx(1)


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_pairs_have_no_interval_and_say_why(count: int) -> None:
    found = stats.paired_ratio([2.0] * count, [1.0] * count)
    assert (found.ratio, found.ci_low, found.ci_high) == (2.0, None, None)
    assert found.interval_why == f"not enough blocks: {count} paired, 3 are needed for an interval"
    assert stats.paired_ratio([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]).interval_why is None


def _interval_contains_one(rng: np.random.Generator, blocks: int) -> bool:
    """One benchmark of two identical engines: 3 % noise each, on a machine that drifts by tens of percent."""
    machine = np.exp(np.cumsum(rng.normal(0, 0.1, blocks)))
    a, b = (machine * np.exp(rng.normal(0, 0.03, blocks)) for _ in range(2))
    found = stats.paired_ratio(a.tolist(), b.tolist())
    assert found.ci_low is not None and found.ci_high is not None
    return found.ci_low <= 1 <= found.ci_high


@pytest.mark.parametrize("blocks", [3, 6, 12])
def test_identical_engines_are_called_equal_19_times_of_20(blocks: int) -> None:
    rng = np.random.default_rng(20261122)
    runs = 4000
    coverage = sum(_interval_contains_one(rng, blocks) for _ in range(runs)) / runs
    assert 0.94 <= coverage <= 0.96


def test_a_slow_down_of_five_percent_is_found() -> None:
    rng = np.random.default_rng(7)
    machine = np.exp(np.cumsum(rng.normal(0, 0.1, 8)))
    engine = machine * np.exp(rng.normal(0, 0.01, 8))
    slower = 0.95 * machine * np.exp(rng.normal(0, 0.01, 8))
    found = stats.paired_ratio(slower.tolist(), engine.tolist())
    assert found.ci_high is not None and found.ci_high < 1


@settings(deadline=None)  # the first example imports scipy.stats
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_formula_of_1927(counts: tuple[int, int]) -> None:
    successes, n = counts
    z, share = 1.959963984540054, successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    assert stats.wilson_interval(successes, n) == pytest.approx((centre - half, centre + half), abs=1e-9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_twice_the_smaller_binomial_tail(only_first: int, only_second: int) -> None:
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    assert stats.mcnemar_exact(only_first, only_second) == pytest.approx(min(1.0, 2 * tail / 2**n))


def test_mean_interval_is_scipys() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    expected = scipy_stats.t.interval(0.95, 3, np.mean(values), scipy_stats.sem(values))
    assert stats.mean_interval(values) == pytest.approx(expected)
    assert stats.mean_interval([1.0]) is None


def test_the_interval_of_a_difference_is_scipys() -> None:
    a, b = [5.0, 6.5, 9.0, 4.0], [1.0, 1.5, 1.2]
    expected = scipy_stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert stats.difference_interval(a, b) == pytest.approx((expected.low, expected.high))
    assert stats.difference_interval([1.0], b) is None
    assert stats.difference_interval([2.0, 2.0], [1.0, 1.0]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("cv", "word"),
    [(0.0, "steady"), (0.0499, "steady"), (0.05, "fair"), (0.10, "fair"), (0.1001, "unsteady")],
)
def test_words_for_stability(cv: float, word: str) -> None:
    assert stats.stability(cv) == word


def test_coefficient_of_variation() -> None:
    values = [9.0, 10.0, 11.0]
    assert stats.coefficient_of_variation(values) == pytest.approx(scipy_stats.variation(values, ddof=1))
    assert stats.coefficient_of_variation([1.0]) is None
    assert stats.coefficient_of_variation([-1.0, 1.0]) is None


@pytest.mark.parametrize("bad", [[], [math.nan], [1.0, math.inf], [[1.0]]])
def test_values_that_are_no_measurement_are_refused(bad: list[float]) -> None:
    for function in (stats.summarise, stats.coefficient_of_variation, stats.mean_interval):
        with pytest.raises(ValueError, match="found"):
            function(bad)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="equally many"):
        stats.paired_ratio([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="positive"):
        stats.paired_ratio([1.0, 0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="confidence"):
        stats.paired_ratio([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], confidence=95)
    with pytest.raises(ValueError, match="share"):
        stats.wilson_interval(3, 2)
    with pytest.raises(ValueError, match="disagreements"):
        stats.mcnemar_exact(-1, 2)
    with pytest.raises(ValueError, match="variation"):
        stats.stability(math.nan)
