"""Floating-point types of engines."""

from __future__ import annotations

import math

_MANTISSA_BITS = {"bfloat16": 7, "float16": 10, "float32": 23}


def spacing(value: float, dtype: str) -> float:
    """The distance between `value` and the next larger number of a floating-point type."""
    exponent = math.floor(math.log2(abs(value))) if value else -126
    return float(2.0 ** (exponent - _MANTISSA_BITS[dtype]))
