"""How a number, a missing number or an interval is written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from evalpress.display.language import translated
from evalpress.display.text import escape_html, escape_markdown

Number = int | float
_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)$")
_COUNTED = frozenset({"tokens", "bytes", "requests"})
SELF_EVIDENT = frozenset({"share", "cosine", "ratio"})
"""Units that are part of the written number, so that a column head does not repeat them."""


def number(value: Number, unit: str = "") -> str:
    """`value` without its unit, with the digits that its unit deserves and a minus sign, not a hyphen, below 0.

    Whole numbers and counts in full, `share` (0 to 1) as per cent, `cosine` with six decimals, `ratio` with
    two, anything else with four significant digits.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and not math.isfinite(value):
        return "not a number" if math.isnan(value) else f"{'−' if value < 0 else ''}infinite"
    return ("−" if value < 0 else "") + _digits(abs(value), unit)


def _digits(size: Number, unit: str) -> str:
    if unit == "share":
        return f"{100 * size:.1f} %"
    if unit == "cosine":
        return f"{size:.6f}"
    if unit == "ratio":
        return f"{size:.2f}×" if size >= 0.1 else f"{significant(size)}×"
    if isinstance(size, int) or unit in _COUNTED:
        return f"{size:,.0f}"
    return significant(size)


def significant(value: float, digits: int = 4) -> str:
    """`value` with at most `digits` significant digits, thousands separated, 1.23e-05 below a ten-thousandth.

    A number that was given with fewer digits (0.01 read from a log line) gets no more than it had.
    """
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4:
        return f"{value:.{max(0, digits - 2)}e}"
    given = -int(Decimal(repr(float(value))).as_tuple().exponent)
    decimals = max(0, min(given, digits - 1 - math.floor(math.log10(size))))
    return f"{value:,.{decimals}f}"


def fmt(value: Number | None, unit: str = "") -> str:
    """`value` with its unit, "n/a" for None."""
    if value is None:
        return "n/a"
    written = number(value, unit)
    return written if not unit or unit in SELF_EVIDENT or isinstance(value, bool) else f"{written} {unit}"


def moment(stamp: str) -> str:
    """An ISO-8601 moment in UTC as people write it, 2026-11-22 10:00 UTC; any other text as it is."""
    return _STAMP.sub(r"\1 \2 UTC", stamp)


def interval(value: Number | None, low: Number | None, high: Number | None, unit: str = "") -> str:
    """A value with its interval, which does not break over lines: 1.22× (1.20× to 1.24×)."""
    if value is None or low is None or high is None:
        return fmt(value, unit)
    return f"{fmt(value, unit)} ({number(low, unit)}\u00a0to\u00a0{number(high, unit)})"


@dataclass(frozen=True)
class Quantity:
    """A number with its own unit, for tables whose rows have different units."""

    value: Number | None
    unit: str = ""

    def html(self) -> str:
        return escape_html(translated(self.plain()))

    def markdown(self) -> str:
        return escape_markdown(translated(self.plain()))

    def plain(self) -> str:
        return fmt(self.value, self.unit)


@dataclass(frozen=True)
class Change:
    """A ratio shown as a signed percentage: 1.54 as +54.0 %. A frame has it as the number `ratio`."""

    ratio: float

    def html(self) -> str:
        return escape_html(translated(self.plain()))

    def markdown(self) -> str:
        return escape_markdown(translated(self.plain()))

    def plain(self) -> str:
        return _signed_percent(self.ratio)

    def frame_columns(self) -> dict[str, Number]:
        return {"ratio": self.ratio}


@dataclass(frozen=True)
class ChangeInterval:
    """The interval of a ratio: +51.0 % to +57.0 %. A frame has it as the numbers `ci_low` and `ci_high`."""

    low: float
    high: float

    def html(self) -> str:
        return escape_html(translated(self.plain()))

    def markdown(self) -> str:
        return escape_markdown(translated(self.plain()))

    def plain(self) -> str:
        return f"{_signed_percent(self.low)} to {_signed_percent(self.high)}"

    def frame_columns(self) -> dict[str, Number]:
        return {"ci_low": self.low, "ci_high": self.high}


def _signed_percent(ratio: float) -> str:
    value = 100 * (ratio - 1)
    return f"{'+' if value >= 0 else '−'}{abs(value):,.1f} %"


@dataclass(frozen=True)
class Missing:
    """A value that could not be measured, and why. A table prints the reason as a footnote."""

    why: str

    def html(self) -> str:
        return escape_html(translated(self.plain()))

    def markdown(self) -> str:
        return escape_markdown(translated(self.plain()))

    def plain(self) -> str:
        return f"n/a ({self.why})"


def pick(record: Any, key: str) -> Any:
    """The value of a record under `key`, or `Missing` with the reason under `<key>_why` where it is None.

    Args:
        record: a mapping, an object with attributes, or a tuple of such: the first that has the key is used.
        key: a key or attribute, or several joined by dots: `flips.unexplained`.
    """
    inner, _, last = key.rpartition(".")
    for part in inner.split(".") if inner else ():
        record = _value(record, part)
    found = _value(record, last)
    return Missing(str(_value(record, f"{last}_why") or "not recorded")) if found is None else found


def _value(record: Any, key: str) -> Any:
    if isinstance(record, tuple):
        return next((found for part in record if (found := _value(part, key)) is not None), None)
    return record.get(key) if isinstance(record, Mapping) else getattr(record, key, None)
