"""Pairs of logit arrays for property tests, and the bounds that rounding allows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from evalpress.sections.alignment import kernel, metrics
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

pytestmark = pytest.mark.slow


Array32 = NDArray[np.float32]


Pair = tuple[Array32, Array32]


SIZES = st.sampled_from([5, 7, 33, kernel.BLOCK - 1, kernel.BLOCK + 1, 2 * kernel.BLOCK + 3])


TIES = st.integers(-3, 3).map(float)


WIDE = st.floats(-60, 60, width=32)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Two logit arrays: unrelated or close, with many ties or none, with zeros, with a common shift."""
    shape = (draw(st.integers(1, 3)), draw(SIZES))
    fill = draw(st.sampled_from([TIES, WIDE]))
    reference = draw(hnp.arrays(np.float32, shape, elements=fill))
    if draw(st.booleans()):
        return reference, draw(hnp.arrays(np.float32, shape, elements=fill))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    scale = draw(st.sampled_from([0.0, 1e-5, 0.01, 0.15, 2.0]))
    noise = rng.normal(0, scale, shape) + draw(st.sampled_from([0.0, 0.3, -40.0]))
    return reference, (reference + noise).astype(np.float32)


EPS = float(np.finfo(np.float64).eps)


EXP = 7e-14


"""Relative error of the kernel's exponential, tested below."""


def relative_bound(terms: int) -> float:
    """Relative error of two float64 sums of this many terms of one sign, each added up in any order.

    A sum of n terms is off by at most (n - 1) eps of the sum of their absolute values (Higham, Accuracy and
    Stability of Numerical Algorithms, 4.2); each term is itself a product, off by one or two spacings.
    """
    return 2 * (terms + 4) * EPS


def log_bound(pair: Pair) -> float:
    """Absolute error of a log-sum-exp, a log probability or a mean of them under a softmax, of two computations.

    Each log probability is a difference of numbers of the logits' size, off by some spacings of it; a mean of n of
    them adds n roundings of at most that size; the kernel's exponentials add EXP of it.
    """
    size = sum(float(np.abs(side).max()) for side in pair) + math.log(pair[0].shape[1])
    return size * (2 * (pair[0].shape[1] + 8) * EPS + 2 * EXP)


def compared(pair: Pair, **options: Any) -> metrics.Rows:
    return metrics.compare_rows(*pair, range(len(pair[0])), **options)
