"""Two sets of answers to the same prompts, token by token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answers = Mapping[str, Sequence[int]]
"""Prompt id -> output token ids."""

END = "(end)"
_MANTISSA_BITS = {"bfloat16": 7, "float16": 10, "float32": 23}


def divergence(a: Sequence[int], b: Sequence[int]) -> int | None:
    """The first position at which two token sequences differ; None when they are the same."""
    if tuple(a) == tuple(b):
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def compare(first: Answers, again: Answers) -> dict[str, Any]:
    """How many prompts gave the same tokens, and where the first prompt that did not diverged."""
    differing = [(name, divergence(first[name], again[name])) for name in first]
    found = [(name, at) for name, at in differing if at is not None]
    row: dict[str, Any] = {"identical": len(first) - len(found), "of": len(first)}
    if not found:
        return row | {"first_divergence": None, "first_divergence_why": "all outputs are identical"}
    name, at = found[0]
    a, b = first[name], again[name]
    diverged = {
        "case": name,
        "position": at,
        "token": a[at] if at < len(a) else END,
        "other_token": b[at] if at < len(b) else END,
    }
    return row | {"first_divergence": diverged, "differing": [name for name, _ in found]}


def margin(logits: NDArray[np.float32], token: int, other: int, dtype: str) -> dict[str, Any]:
    """How far apart two tokens' raw logits are, and how far apart neighbouring numbers of the dtype are there.

    Args:
        logits: float32 [vocabulary], at the position before the two tokens.
        dtype: the engine's; its spacing at the larger logit is the smallest difference that it can express.
    """
    pair = float(logits[token]), float(logits[other])
    return {
        "logit": pair[0],
        "other_logit": pair[1],
        "logit_margin": abs(pair[0] - pair[1]),
        "dtype_spacing": spacing(max(map(abs, pair)), dtype),
    }


def spacing(value: float, dtype: str) -> float:
    """The distance between `value` and the next larger number of a floating-point type."""
    exponent = math.floor(math.log2(abs(value))) if value else -126
    return float(2.0 ** (exponent - _MANTISSA_BITS[dtype]))
