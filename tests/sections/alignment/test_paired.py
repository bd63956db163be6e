"""The same tokens alone and among others: equal errors, other errors of the same size, larger ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from evalpress.sections.alignment import metrics, paired

STEPS = 40


def _run(seed: int, size: float = 1.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    found = {}
    for prompt in ("a", "b", "c"):
        rows = np.zeros(STEPS, metrics.ROW)
        rows["chosen_id"] = np.arange(STEPS)
        rows["mse"] = (size * np.exp(0.2 * rng.standard_normal(STEPS))) ** 2
        found[prompt] = rows
    return found


def test_the_same_errors() -> None:
    found = paired.beside(_run(1), _run(1))
    assert (found.n_positions, found.identical, found.ratio, found.low) == (120, 120, 1.0, 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_other_errors_of_the_same_size_raise_no_alarm(seed: int) -> None:
    found = paired.beside(_run(seed + 100), _run(seed))
    assert found.ratio == pytest.approx(1, abs=0.15)
    assert found.low is not None
    assert found.low < 1.02


@pytest.mark.parametrize("seed", range(5))
def test_larger_errors_are_found(seed: int) -> None:
    found = paired.beside(_run(seed + 100, 1.3), _run(seed))
    assert found.ratio == pytest.approx(1.3, rel=0.1)
    assert found.low is not None
    assert found.low > 1.05


def test_only_steps_that_follow_the_same_tokens_are_compared() -> None:
    run, alone = _run(2), _run(2)
    for prompt in run:
        run[prompt]["chosen_id"][7] = 99
        run[prompt]["mse"][8:] *= 100
    found = paired.beside(run, alone)
    assert (found.n_positions, found.ratio) == (24, 1.0)
    short = paired.beside({"a": run["a"]}, alone)
    assert short.ratio is None
    assert short.ratio_why == "8 common positions are too few"
