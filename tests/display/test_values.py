"""Numbers, moments, intervals and code as text."""

from __future__ import annotations

import pytest
from evalpress.display.tables import (
    code,
    fmt,
    interval,
    moment,
    number,
    one_line,
    visible,
)
from hypothesis import example, given
from hypothesis import strategies as st
from read_markdown import ANYTHING, SPECIAL, calm, read_inline, squeezed


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (5254.1, "tok/s", "5,254 tok/s"),
        (0.0194, "", "0.0194"),
        (0.01940123, "", "0.01940"),
        (15.0, "ms", "15.0 ms"),
        (15.04999, "ms", "15.05 ms"),
        (1.23e-5, "s", "1.23e-05 s"),
        (0.0, "ms", "0 ms"),
        (4_437_760, "tokens", "4,437,760 tokens"),
        (0.8, "share", "80.0 %"),
        (0.9994, "cosine", "0.999400"),
        (1.2345, "ratio", "1.23×"),
        (0.00123, "ratio", "0.00123×"),
        (None, "ms", "n/a"),
        (True, "", "yes"),
        (-12.5, "ms", "−12.5 ms"),
        (-0.031, "share", "−3.1 %"),
        (-1.23e-5, "s", "−1.23e-05 s"),
        (float("inf"), "s", "infinite s"),
    ],
)
def test_numbers_show_the_digits_that_their_unit_deserves(value, unit, shown):
    assert fmt(value, unit) == shown


@calm
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_four_digits_are_within_half_a_unit_of_the_fourth(value):
    assert float(number(value).replace(",", "").replace("−", "-")) == pytest.approx(
        value, rel=5.01e-3 if abs(value) < 1e-4 else 5.01e-4
    )


def test_moments_are_written_for_people():
    assert moment("2026-11-22T10:58:38Z") == moment("2026-11-22T10:58:38.5+00:00") == "2026-11-22 10:58 UTC"
    assert moment("yesterday") == "yesterday"


def test_interval_keeps_its_two_ends_on_one_line():
    assert interval(1.22, 1.2, 1.24, "ratio") == "1.22× (1.20×\u00a0to\u00a01.24×)"
    assert interval(1.22, None, 1.24, "ratio") == "1.22×"


@calm
@given(ANYTHING)
def test_nothing_invisible_is_left_in_text(text):
    shown = visible(text)
    shown.encode()
    assert not any(ch in shown for ch in "\x00\x1b\r\x7f\u202e\u2066\u200b\ufeff\u2028\ufffe\U000e0041")
    assert visible(shown) == shown


def test_joiners_of_words_and_emoji_stay():
    assert visible("می\u200cخواهم 👩\u200d💻\n\t") == "می\u200cخواهم 👩\u200d💻\n\t"
    assert visible("a\u202eb\x00") == "a⟨U+202E⟩b⟨U+0000⟩"


@calm
@given(ANYTHING | SPECIAL)
@example("a\\|b")
@example("``")
@example("` `")
@example("    x")
def test_code_is_read_back_as_the_text_by_commonmark(text):
    expected = one_line(text) if text else "(empty)"
    assert squeezed(read_inline(f"start {code(text)} end")) == squeezed(f"start {expected} end")
    read_inline(code(text))
