"""Less of a section where a report has a time budget: counts and lists made smaller, and that in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
Words = tuple[str, ...]
"""What was left out, one phrase each."""


def count(asked: int, factor: float, least: int = 1) -> int:
    """About `factor` of a count; at least `least`, and never more than was asked for."""
    return min(asked, max(least, int(asked * factor)))


def thinned(points: Sequence[T], factor: float) -> tuple[T, ...]:
    """About `factor` of the points, spread evenly, the first and the last among them."""
    kept = min(len(points), max(2, round(len(points) * factor)))
    if kept < 2:
        return tuple(points)
    return tuple(points[round(index * (len(points) - 1) / (kept - 1))] for index in range(kept))


def told(asked: float, kept: float, what: str) -> Words:
    """ "3 of 6 blocks" where three of six blocks are left out; nothing where all are kept."""
    return (f"{asked - kept:g} of {asked:g} {what}",) if kept < asked else ()


def gone(asked: Sequence[T], kept: Sequence[T], what: str) -> Words:
    """ "batch sizes: 2, 4" where these points are left out."""
    missing = [str(point) for point in asked if point not in kept]
    return (f"{what}: {', '.join(missing)}",) if missing else ()
