"""Published numbers as intervals."""

from __future__ import annotations

import math

import pytest
from evalpress.claims.interval import Interval, exact, parse
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [
        ("0.41s", 0.405, 0.415, "s"),
        ("25.8ms", 0.02575, 0.02585, "s"),
        ("3,411.4 toks/s", 3411.35, 3411.45, "tok/s"),
        ("+54%", 0.535, 0.545, "share"),
        ("-42%", -0.425, -0.415, "share"),
        ("~15s", 14, 16, "s"),
        ("~2.65s", 2.64, 2.66, "s"),
        ("494M", 493.5e6, 494.5e6, "count"),
        ("4,437,760 tokens", 4437760, 4437760, "count"),
        ("24", 24, 24, "count"),
        ("0.9994", 0.99935, 0.99945, "count"),
        ("1.0 GiB", 0.95 * 2**30, 1.05 * 2**30, "bytes"),
    ],
)
def test_a_published_number_is_what_its_digits_allow(text: str, low: float, high: float, unit: str) -> None:
    found = parse(text)
    assert (found.range.low, found.range.high) == pytest.approx((low, high))
    assert found.unit == unit


@pytest.mark.parametrize("text", ["", "fast", "5 apples", "1e3 s", "1,23", "12:30", "--5", "5 s s", "1_000", "٣ s"])
def test_what_is_no_published_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="allowed a number"):
        parse(text)


def test_decimal_units_may_mean_binary_ones() -> None:
    assert parse("61.27GB").binary.low == pytest.approx(61.265 * 2**30)
    assert parse("1 GiB").binary == parse("1 GiB").range


NUMBERS = st.floats(-100, 100)


INTERVALS = st.tuples(NUMBERS, NUMBERS).map(lambda ends: Interval(min(ends), max(ends)))


@given(INTERVALS, INTERVALS, st.floats(0, 1), st.floats(0, 1))
def test_interval_arithmetic_holds_every_value(a: Interval, b: Interval, s: float, t: float) -> None:
    x, y = min(a.low + s * (a.high - a.low), a.high), min(b.low + t * (b.high - b.low), b.high)
    assert (a + b).meets(exact(x + y))
    assert (a - b).meets(exact(x - y))
    assert (a * b).meets(exact(x * y))
    if b.low > 1e-3 or b.high < -1e-3:
        assert (a / b).meets(exact(x / y))


def test_intervals_meet_when_they_share_a_value() -> None:
    assert Interval(0, 1).meets(Interval(1, 2))
    assert not Interval(0, 1).meets(Interval(1.001, 2))
    assert Interval(0, 3).meets(Interval(1, 2))
    with pytest.raises(ZeroDivisionError):
        Interval(0, 1) / Interval(-1, 1)
    assert math.isclose((exact(1) / exact(4)).low, 0.25)
