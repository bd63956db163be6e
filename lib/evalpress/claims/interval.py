"""Published numbers as the intervals that their digits allow.

"0.41s" represents anything that rounds to it: 0.405 to 0.415 s. "~15s" represents one unit of its last digit to
either side: 14 to 16 s. A count ("4,437,760 tokens", "24") is exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = re.compile(
    r"(?P<about>[~≈约])?\s*(?P<digits>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*(?P<unit>[^\d\s].*)?",
    re.ASCII,
)
_SCALES: dict[str, tuple[float, str]] = {
    "%": (0.01, "share"),
    "ms": (1e-3, "s"),
    "s": (1.0, "s"),
    "tok/s": (1.0, "tok/s"),
    "toks/s": (1.0, "tok/s"),
    "tokens/s": (1.0, "tok/s"),
    "req/s": (1.0, "req/s"),
    "K": (1e3, "count"),
    "M": (1e6, "count"),
    "B": (1e9, "count"),
    "KB": (1e3, "bytes"),
    "MB": (1e6, "bytes"),
    "GB": (1e9, "bytes"),
    "MiB": (2.0**20, "bytes"),
    "GiB": (2.0**30, "bytes"),
}
_COUNTS = ("", "tokens")
BINARY = {"KB": 2.0**10, "MB": 2.0**20, "GB": 2.0**30}
"""What the decimal units mean where a tool divides by 1024 and still prints them."""


@dataclass(frozen=True)
class Interval:
    """A closed interval of real numbers."""

    low: float
    high: float

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(ends), max(ends))

    def __truediv__(self, other: Interval) -> Interval:
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError(f"{other} holds zero")
        return self * Interval(1 / other.high, 1 / other.low)

    def scaled(self, factor: float) -> Interval:
        """Every number of the interval times a positive factor."""
        return Interval(self.low * factor, self.high * factor)

    def meets(self, other: Interval) -> bool:
        """Whether some number is in both; ends that differ by rounding in the last bits count as equal."""
        slack = 1e-12 * max(abs(self.low), abs(self.high), abs(other.low), abs(other.high))
        return self.low <= other.high + slack and other.low <= self.high + slack

    def __str__(self) -> str:
        return f"{self.low:.6g}" if self.low == self.high else f"{self.low:.6g} to {self.high:.6g}"


def exact(value: float) -> Interval:
    """The interval of one number."""
    return Interval(value, value)


@dataclass(frozen=True)
class Published:
    """A number as it was printed. `range` is in the base unit: s, tok/s, req/s, share, bytes, count."""

    text: str
    range: Interval
    unit: str
    printed_unit: str

    @property
    def binary(self) -> Interval:
        """The range where a decimal byte unit was printed for a binary one."""
        scale = _SCALES[self.printed_unit][0]
        return self.range.scaled(BINARY.get(self.printed_unit, scale) / scale)


def parse(text: str) -> Published:
    """Read a published number.

    Raises:
        ValueError: it is no number with a unit that is known here.
    """
    found = _NUMBER.fullmatch(text.strip())
    unit = (found["unit"] or "").strip() if found else ""
    if found is None or (unit not in _SCALES and unit not in _COUNTS):
        units = ", ".join(filter(None, (*_SCALES, *_COUNTS)))
        raise ValueError(f"found {text!r}, allowed a number, with one of these units if any: {units}")
    digits = found["digits"].replace(",", "")
    decimals = len(digits.partition(".")[2])
    scale, base = _SCALES.get(unit, (1.0, "count"))
    half = 0.0 if unit in _COUNTS and not decimals else 0.5 * 10.0**-decimals
    if found["about"]:
        half = 10.0**-decimals
    value = float(digits)
    return Published(text, Interval((value - half) * scale, (value + half) * scale), base, unit)
