"""One pass over two rows of logits: every sum that the comparison needs, in float64.

A row of a real vocabulary is larger than a core's first cache, and reading it is what a comparison cannot
avoid. So a row pair is walked once, in blocks that stay in that cache: per block the largest logits (in
float32, cheap), then all sums in one loop with exponentials below the block's maximum, merged as in the
online softmax of Milakov and Gimelshein (2018), then, only where the block holds something larger than
the fifth best so far, the five best.

The second exponential of a pair is had from the first: exp(c) = exp(r) (1 + d + (exp(d) - 1 - d)) with d
= c - r, and where a block's logits differ by less than NEAR a short polynomial gives the last bracket.
That is cheaper, and does not cancel when the rows are close. Blocks that differ more are done in full.

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
BLOCK = 1024
NEAR = 1.0
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
    """Compile with numba: cached on disk, without the GIL, with these liberties for float arithmetic."""
    return cast("Callable[[F], F]", njit(cache=True, nogil=True, fastmath=fastmath or False))


def _polynomial(function: Callable[[Rows64], Rows64], half_width: float, degree: int) -> list[float]:
    """Coefficients, constant first, of the Chebyshev interpolant of `function` on +- half_width."""
    fit = Chebyshev.interpolate(function, degree, [-half_width, half_width])
    return [float(value) for value in fit.convert(kind=Polynomial).coef]


def _second_order(x: Rows64) -> Rows64:
    """(exp(x) - 1 - x) / x**2 by its series, free of cancellation; twenty terms are exact up to NEAR."""
    return sum(x**k / math.factorial(k + 2) for k in range(20)) + np.zeros_like(x)


_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9 = _polynomial(np.exp2, 0.5, 9)
_N0, _N1, _N2, _N3, _N4, _N5, _N6, _N7, _N8, _N9, _N10 = _polynomial(_second_order, NEAR, 10)
_LOG2_E = 1.4426950408889634
_SMALLEST = -1000.0
"""2**-1000 is no share of any softmax, and still a normal float64."""
_ROUND = 1.5 * 2.0**52
"""Added to a float64 of moderate size it leaves the nearest integer in the lowest bits."""
_MAGNITUDE = 0x7FFFFFFFFFFFFFFF
_NOT_FINITE = 0x7F800000
"""The bits of a float32 infinity; those of every NaN are larger."""

_REORDER = {"reassoc", "contract", "nsz", "nnan"}
"""What the compiler may do so that sums and maxima use vector registers. NaN is refused before them."""


@_compiled({"contract"})
def _exp_below(x: float, top: float) -> float:
    """exp(x - top) for x <= top within 2e-14 of its value; a library call would not be vectorised.

    (x - top) / ln 2 = k + f with |f| <= 1/2, a polynomial for 2**f, and k added to its exponent bits. No
    reordering in here: it would undo the rounding.
    """
    y = max((x - top) * _LOG2_E, _SMALLEST)
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
    """`_second_order` for |x| <= NEAR, within 5e-13 of its value."""
    p = _N10 * x + _N9
    p = p * x + _N8
    p = p * x + _N7
    p = p * x + _N6
    p = p * x + _N5
    p = p * x + _N4
    p = p * x + _N3
    p = p * x + _N2
    p = p * x + _N1
    return p * x + _N0


@_compiled()
def _extent(row: Rows32) -> tuple[np.int32, np.float64]:
    """The bits of the largest magnitude (see `_NOT_FINITE`) and the largest logit.

    Both maxima are taken of integers, which the compiler vectorises and floats it does not: a float's
    bits order like the float once those of a negative one are flipped.
    """
    bits = row.view(np.int32)
    magnitude, largest = np.int32(0), np.int32(-0x80000000)
    for i in range(bits.size):
        magnitude = max(magnitude, np.int32(bits[i] & np.int32(0x7FFFFFFF)))
        largest = max(largest, np.int32(bits[i] ^ ((bits[i] >> 31) & np.int32(0x7FFFFFFF))))
    largest = np.int32(largest ^ ((largest >> 31) & np.int32(0x7FFFFFFF)))
    return magnitude, np.float64(np.int32(largest).view(np.float32))


@_compiled()
def _largest_difference(r: Rows32, c: Rows32) -> float:
    """Largest |c - r|, rounded to float32: good enough to choose a path by."""
    largest = np.int32(0)
    for i in range(r.size):
        difference = np.float32(c[i] - r[i])
        largest = max(largest, np.int32(difference.view(np.int32) & np.int32(0x7FFFFFFF)))
    return np.float64(np.int32(largest).view(np.float32))


@_compiled(_REORDER)
def _sums_near(r: Rows32, c: Rows32, r_top: float, sums: Rows64) -> tuple[float, float, float]:
    """Add a block to `sums`; return its sums of p = exp(r - r_top), of p d and of p (exp(d) - 1 - d), d =
    c - r."""
    rr, cc, dd, rc, largest = 0.0, 0.0, 0.0, 0.0, np.int64(0)
    p_sum, first, second = 0.0, 0.0, 0.0
    for i in range(r.size):
        a, b = np.float64(r[i]), np.float64(c[i])
        d = b - a
        square = d * d
        rr += a * a
        cc += b * b
        rc += a * b
        dd += square
        largest = max(largest, np.float64(d).view(np.int64) & _MAGNITUDE)
        p = _exp_below(a, r_top)
        p_sum += p
        first += p * d
        second += p * square * _second_order_near(d)
    sums[0] += rr
    sums[1] += cc
    sums[2] += dd
    sums[3] += rc
    sums[4] = max(sums[4], np.int64(largest).view(np.float64))
    return p_sum, first, second


@_compiled(_REORDER)
def _sums_far(r: Rows32, c: Rows32, r_top: float, c_top: float, sums: Rows64) -> tuple[float, float, float]:
    """As `_sums_near` for differences of any size; the third sum is of exp(c - c_top)."""
    rr, cc, dd, rc, largest = 0.0, 0.0, 0.0, 0.0, np.int64(0)
    p_sum, first, q_sum = 0.0, 0.0, 0.0
    for i in range(r.size):
        a, b = np.float64(r[i]), np.float64(c[i])
        d = b - a
        rr += a * a
        cc += b * b
        rc += a * b
        dd += d * d
        largest = max(largest, np.float64(d).view(np.int64) & _MAGNITUDE)
        p = _exp_below(a, r_top)
        p_sum += p
        first += p * d
        q_sum += _exp_below(b, c_top)
    sums[0] += rr
    sums[1] += cc
    sums[2] += dd
    sums[3] += rc
    sums[4] = max(sums[4], np.int64(largest).view(np.float64))
    return p_sum, first, q_sum


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
def _row(r: Rows32, c: Rows32, sums: Rows64, ids: Ids, logits: Rows32) -> bool:
    """Fill one position; False, leaving it half filled, where a logit is infinite or not a number."""
    r_max, c_max, far = -np.inf, -np.inf, False
    p_sum, first, second, q_sum = 0.0, 0.0, 0.0, 0.0
    for start in range(0, r.size, BLOCK):
        r_block, c_block = r[start : start + BLOCK], c[start : start + BLOCK]
        (r_bits, r_best), (c_bits, c_best) = _extent(r_block), _extent(c_block)
        if max(r_bits, c_bits) >= _NOT_FINITE:
            return False
        if r_best > logits[0, TOP - 1]:
            _keep_best(r_block, start, ids[0], logits[0])
        if c_best > logits[1, TOP - 1]:
            _keep_best(c_block, start, ids[1], logits[1])
        if r_best > r_max:
            shrink = np.exp(r_max - r_best)
            p_sum, first, second, r_max = p_sum * shrink, first * shrink, second * shrink, r_best
        if c_best > c_max:
            q_sum, c_max = q_sum * np.exp(c_max - c_best), c_best
        scale = np.exp(r_best - r_max)
        if _largest_difference(r_block, c_block) < NEAR:
            p, pd, bracket = _sums_near(r_block, c_block, r_best, sums)
            second += bracket * scale
            q_sum += (p + pd + bracket) * np.exp(r_best - c_max)
        else:
            p, pd, q = _sums_far(r_block, c_block, r_best, c_best, sums)
            far = True
            q_sum += q * np.exp(c_best - c_max)
        p_sum, first = p_sum + p * scale, first + pd * scale
    sums[6], sums[7] = r_max + np.log(p_sum), c_max + np.log(q_sum)
    sums[5] = _kl(first / p_sum, second / p_sum, sums[7] - sums[6], far)
    return True


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
    sums[:] = 0.0
    logits[:] = -np.inf
    for row in range(reference.shape[0]):
        if not _row(reference[row], candidate[row], sums[row], ids[row], logits[row]):
            return row
    return -1
