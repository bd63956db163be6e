"""Two runs of one machine: equal ones show no difference, a planted slow-down is found."""

from __future__ import annotations

import numpy as np
import pytest
from evalpress.report.compare.between_runs import Machine, drift, pooled, ratio, ratio_of_few


def run(random, blocks=6, scatter=0.03, machine=0.1, factor=1.0, names=10):
    """Rates of one run: each block's own scatter, and a machine whose speed moves for all series together."""
    speed = np.exp(random.normal(0, machine) + random.normal(0, machine, blocks))
    return {f"s{n}": list(factor * speed * np.exp(random.normal(0, scatter, blocks))) for n in range(names)}


@pytest.mark.parametrize("machine", [0.0, 0.02, 0.1, 0.3])
def test_two_equal_runs_show_no_difference_in_19_of_20_rows(machine):
    random, shown = np.random.default_rng(7), []
    for _ in range(80):
        a, b = run(random, machine=machine), run(random, machine=machine)
        moved = Machine((drift(a), drift(b)))
        shown += [found.ci_low <= 1 <= found.ci_high for found in (ratio(a[s], b[s], moved) for s in a)]
    assert np.mean(shown) >= 0.95


@pytest.mark.parametrize(("machine", "factor"), [(0.0, 0.9), (0.02, 0.8)])
def test_a_planted_slow_down_is_found_on_a_quiet_machine(machine, factor):
    random, found = np.random.default_rng(7), []
    for _ in range(60):
        a, b = run(random, machine=machine), run(random, machine=machine, factor=factor)
        one = ratio(a["s0"], b["s0"], Machine((drift(a), drift(b))))
        found.append(one.ci_high < 1)
    assert np.mean(found) >= 0.9


def test_drift_is_what_all_series_share():
    random = np.random.default_rng(1)
    alone = {f"s{n}": list(np.exp(random.normal(0, 0.1, 60))) for n in range(10)}
    shared = np.exp(random.normal(0, 0.1, 60))
    assert drift(alone) < 0.04
    assert drift({name: list(shared * values) for name, values in alone.items()}) == pytest.approx(0.1, rel=0.35)


def test_few_or_widely_scattered_blocks_give_no_interval():
    assert ratio([1.0], [2.0], Machine()).ci_low is None
    wild = ratio([1.0, 1e5], [1e-5, 1e7], Machine())
    assert (wild.ci_low, wild.ci_high) == (None, None)
    assert "scatter too much" in wild.why


def test_two_repeats_of_many_loads_show_no_difference_in_19_of_20_rows_and_a_slow_down_is_found():
    random, shown, found = np.random.default_rng(3), [], []
    for _ in range(60):
        a, b = (run(random, blocks=2, scatter=0.05, machine=0.0, names=8) for _ in range(2))
        spreads = pooled(a), pooled(b)
        assert spreads[0].degrees == 8
        ratios = [ratio_of_few(a[s], b[s], spreads, Machine()) for s in a]
        shown += [one.ci_low <= 1 <= one.ci_high for one in ratios]
        slower = [ratio_of_few(a[s], [0.75 * rate for rate in b[s]], spreads, Machine()) for s in a]
        found += [one.ci_high < 1 for one in slower]
    assert np.mean(shown) >= 0.95
    assert np.mean(found) >= 0.9


def test_a_machine_whose_own_rates_changed_widens_the_interval():
    a, b = [100.0, 102.0, 98.0, 101.0], [50.0, 51.0, 49.0, 50.5]
    assert ratio(a, b, Machine()).ci_high < 0.6
    assert ratio(a, b, Machine(change=np.log(2))).ci_high > 1


def test_single_repeats_have_no_interval():
    alone = pooled({"a": [1.0], "b": [2.0]})
    found = ratio_of_few([1.0], [2.0], (alone, alone), Machine())
    assert (found.ratio, found.ci_low) == (2.0, None)
    assert "one repeat" in found.why


@pytest.mark.parametrize("change", [0.8, -0.8])
def test_runs_of_a_machine_that_became_another_are_not_compared(change):
    """The interval was -90 % to +8,400 %, and the verdict «no difference shown» for a ratio of 2.9."""
    a, b = [100.0, 101.0, 99.0], [290.0, 288.0, 292.0]
    spread = pooled({"x": a})
    for found in (ratio(a, b, Machine(change=change)), ratio_of_few(a, b, (spread, spread), Machine(change=change))):
        assert (found.ci_low, found.ci_high) == (None, None) and found.ratio == pytest.approx(2.9, rel=0.01)
        assert found.why == "the machine's own rates differ by a factor of 2.2 between the runs"
    assert ratio(a, b, Machine(change=change / 2)).ci_low is not None
