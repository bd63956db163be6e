"""Floating-point types: the distance of their neighbouring numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MANTISSA = {"bfloat16": 7, "float16": 10, "float32": 23}
"""Bits after the leading one."""


def spacing(values: ArrayLike, dtype: str) -> NDArray[np.float64]:
    """Distance of neighbouring numbers of the dtype at the size of each value; float64 of the shape of `values`."""
    _, exponent = np.frexp(np.abs(np.asarray(values, np.float64)))
    return np.asarray(np.ldexp(1.0, exponent - 1 - _MANTISSA[dtype]), np.float64)
