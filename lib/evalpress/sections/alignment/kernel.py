"""One pass over two rows of logits: every sum that the comparison needs, in float64.

A comparison must read each row of the vocabulary from memory and compute a float64 exponential of each logit.
So a row pair is read once, with all sums in one loop that the compiler can put into vector registers, and the
memory is read while they are computed. Blocks of the row stay
in the first cache, where they are examined a second time for the five best, which few blocks change.

Exponentials are taken relative to the row's first logit, so that no maximum has to be known before. Rows whose
best logit is further than REACH from it (unexpected for trained models) are done again relative to their best.

The second exponential of a pair is computed from the first: exp(c) = exp(r) (1 + d + (exp(d) - 1 - d)) with d
= c - r, and where a block's logits differ by less than NEAR a short polynomial gives the last bracket.
That is faster, and has no cancellation when the rows are close. Blocks that differ more are computed in full.

Nothing is allocated per row, and the functions release the GIL, so that plain threads share the rows out
(see `metrics.compare_rows`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numba import njit
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

Rows32 = NDArray[np.float32]
Rows64 = NDArray[np.float64]
Ids = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., object])

TOP = 5
BLOCK = 2048
NEAR = 0.75
REACH = 100.0
COLUMNS = (
    "reference_square",
    "candidate_square",
    "difference_square",
    "cross",
    "max_abs_err",
    "kl_divergence",
    "reference_lse",
    "candidate_lse",
)


def _compiled(fastmath: set[str] | None = None) -> Callable[[F], F]:
    """Compile with numba: cached on disk, without the GIL, division as in NumPy, with these liberties for floats."""
    return cast("Callable[[F], F]", njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath or False))


def _polynomial(function: Callable[[Rows64], Rows64], half_width: float, degree: int) -> list[float]:
    """Coefficients, constant first, of the Chebyshev interpolant of `function` on +- half_width."""
    fit = Chebyshev.interpolate(function, degree, [-half_width, half_width])
    return [float(value) for value in fit.convert(kind=Polynomial).coef]


def _second_order(x: Rows64) -> Rows64:
    """(exp(x) - 1 - x) / x**2 by its series, free of cancellation; twenty terms are exact up to NEAR."""
    return sum(x**k / math.factorial(k + 2) for k in range(20)) + np.zeros_like(x)


_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9 = _polynomial(np.exp2, 0.5, 9)
_N0, _N1, _N2, _N3, _N4, _N5, _N6, _N7, _N8, _N9 = _polynomial(_second_order, NEAR, 9)
_LOG2_E = 1.4426950408889634
_SMALLEST = -1000.0
"""2**-1000 is negligible in any softmax, and still a normal float64."""
_ROUND = 1.5 * 2.0**52
"""Added to a float64 of moderate size it leaves the nearest integer in the lowest bits."""

_REORDER = {"reassoc", "contract", "nsz"}
"""What the compiler may do so that sums use vector registers. Infinities and NaN are unchanged."""


@_compiled({"contract"})
def _exp(x: float, zero: float) -> float:
    """exp(x - origin), zero = origin / ln 2, within 7e-14 of its value; a library call would not be vectorised.

    (x - origin) / ln 2 = k + f with |f| <= 1/2, a polynomial for 2**f, and k added to its exponent bits.
    No reordering in here: it would undo the rounding.
    """
    y = max(x * _LOG2_E - zero, _SMALLEST)
    shifted = y + _ROUND
    f = y - (shifted - _ROUND)
    p = _E9 * f + _E8
    p = p * f + _E7
    p = p * f + _E6
    p = p * f + _E5
    p = p * f + _E4
    p = p * f + _E3
    p = p * f + _E2
    p = p * f + _E1
    p = p * f + _E0
    bits = np.float64(p).view(np.int64) + (np.float64(shifted).view(np.int64) << 52)
    return np.int64(bits).view(np.float64)


@_compiled({"contract"})
def _second_order_near(x: float) -> float:
    """`_second_order` for |x| <= NEAR, within 1e-12 of its value."""
    p = _N9 * x + _N8
    p = p * x + _N7
    p = p * x + _N6
    p = p * x + _N5
    p = p * x + _N4
    p = p * x + _N3
    p = p * x + _N2
    p = p * x + _N1
    return p * x + _N0


@_compiled(_REORDER)
def _sums(r: Rows32, c: Rows32, origin: float, sums: Rows64) -> tuple[float, float, float, float]:
    """Add a block to `sums`, without its exponentials; return the largest |d|, d = c - r, and the block's sums of
    p = exp(r - origin), of p d and of p (exp(d) - 1 - d), the last of which means nothing if |d| exceeds NEAR."""
    rr, cc, dd, rc, largest = 0.0, 0.0, 0.0, 0.0, np.int64(0)
    p_sum, first, second = 0.0, 0.0, 0.0
    zero = origin * _LOG2_E
    for i in range(r.size):
        a, b = np.float64(r[i]), np.float64(c[i])
        d = b - a
        square = d * d
        rr += a * a
        cc += b * b
        rc += a * b
        dd += square
        largest = max(largest, np.float64(square).view(np.int64))  # the bits of positive floats order like them
        p = _exp(a, zero)
        p_sum += p
        first += p * d
        second += p * square * _second_order_near(d)
    sums[0] += rr
    sums[1] += cc
    sums[2] += dd
    sums[3] += rc
    return np.sqrt(np.int64(largest).view(np.float64)), p_sum, first, second  # the root of a square is exact


@_compiled(_REORDER)
def _exponentials(row: Rows32, origin: float) -> float:
    """The sum of exp(row - origin)."""
    total, zero = 0.0, origin * _LOG2_E
    for i in range(row.size):
        total += _exp(np.float64(row[i]), zero)
    return total


@_compiled()
def _reaches(row: Rows32, limit: np.float32) -> bool:
    """Whether a logit is at least `limit`."""
    found = False
    for i in range(row.size):
        found |= row[i] >= limit
    return found


@_compiled()
def _keep_best(row: Rows32, first_id: int, ids: Ids, logits: Rows32) -> None:
    """Merge a block into the best so far, best first; of equal logits the lower id, met earlier, stays
    ahead."""
    for i in range(row.size):
        if row[i] > logits[TOP - 1]:
            slot = TOP - 1
            while slot > 0 and row[i] > logits[slot - 1]:
                logits[slot], ids[slot] = logits[slot - 1], ids[slot - 1]
                slot -= 1
            logits[slot], ids[slot] = row[i], first_id + i


@_compiled()
def _row(
    r: Rows32, c: Rows32, r_origin: float, c_origin: float, near: float, sums: Rows64, ids: Ids, logits: Rows32
) -> None:
    """Fill one position, with exponentials relative to the origins, which are one where `near` is not 0."""
    p_sum, first, second, q_sum, far = 0.0, 0.0, 0.0, 0.0, False
    sums[:], logits[:] = 0.0, -np.inf
    for start in range(0, r.size, BLOCK):
        r_block, c_block = r[start : start + BLOCK], c[start : start + BLOCK]
        largest, p, pd, bracket = _sums(r_block, c_block, r_origin, sums)
        sums[4], p_sum, first = max(sums[4], largest), p_sum + p, first + pd
        if largest < near:  # then a logit of c is among the best only where r's is less than NEAR below
            second, q_sum = second + bracket, q_sum + (p + pd + bracket)
            new = _reaches(r_block, np.float32(min(logits[0, TOP - 1], logits[1, TOP - 1] - NEAR)))
        else:
            far, q_sum, new = True, q_sum + _exponentials(c_block, c_origin), True
        if new:
            _keep_best(r_block, start, ids[0], logits[0])
            _keep_best(c_block, start, ids[1], logits[1])
    sums[6], sums[7] = r_origin + np.log(p_sum), c_origin + np.log(q_sum)
    sums[5] = _kl(first / p_sum, second / p_sum, sums[7] - sums[6], far)


@_compiled()
def _kl(first: float, second: float, growth: float, far: bool) -> float:
    """KL divergence from the means under softmax(r) of d and of exp(d) - 1 - d.

    It is log(1 + first + second) - first: accurate however close the rows are, where `growth`, the
    difference of the log-sum-exps, would cancel. With a block that is far apart there is nothing to
    cancel, nor `second`.
    """
    if not far:
        growth = np.log1p(first + second)
    return max(0.0, growth - first)


@_compiled()
def compare(reference: Rows32, candidate: Rows32, sums: Rows64, ids: Ids, logits: Rows32) -> int:
    """Compare two [rows, vocabulary] arrays row by row.

    Fills `sums` [rows, len(COLUMNS)], and `ids` and `logits` [rows, 2, TOP] with the best tokens of
    reference and candidate. Returns the first row that holds an infinity or NaN, at which it stops, or
    -1.
    """
    for row in range(reference.shape[0]):
        r, c, best = reference[row], candidate[row], logits[row, :, 0]
        origin = np.float64(r[0])
        _row(r, c, origin, origin, NEAR, sums[row], ids[row], logits[row])
        if not np.isfinite(sums[row, 0] + sums[row, 1]):
            return row
        r_best, c_best = np.float64(best[0]), np.float64(best[1])
        if max(abs(r_best - origin), abs(c_best - origin)) > REACH:
            alike = abs(r_best - c_best) < REACH
            _row(r, c, r_best, r_best if alike else c_best, NEAR if alike else 0.0, sums[row], ids[row], logits[row])
    return -1


CLOSENESS = ("difference", "absolute", "relative", "within_1_percent", "within_5_permille", "within_2_permille")
"""Columns of `closeness`: sums of d, |d| and |d| / |r| where r is not 0; how many |d| are at most that share of |r|."""


@_compiled(_REORDER)
def _close(r: Rows32, c: Rows32) -> tuple[float, float, float, float, float, float]:
    difference, absolute, relative, percent, five, two = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(r.size):
        size, d = abs(np.float64(r[i])), np.float64(c[i]) - np.float64(r[i])
        error = abs(d)
        difference += d
        absolute += error
        relative += error / size if size > 0.0 else 0.0
        percent += 1.0 if error <= 0.01 * size else 0.0
        five += 1.0 if error <= 0.005 * size else 0.0
        two += 1.0 if error <= 0.002 * size else 0.0
    return difference, absolute, relative, percent, five, two


@_compiled()
def closeness(reference: Rows32, candidate: Rows32, found: Rows64) -> None:
    """Fill `found` [rows, len(CLOSENESS)] for two [rows, vocabulary] arrays."""
    for row in range(reference.shape[0]):
        sums = _close(reference[row], candidate[row])
        for column in range(len(CLOSENESS)):
            found[row, column] = sums[column]
