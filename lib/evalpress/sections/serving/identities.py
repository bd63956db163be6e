"""Identities that every point of the load curve must satisfy; a broken one fails the section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evalpress.core.errors import MeasurementError

Point = dict[str, Any]
_CHECKS: dict[str, tuple[str, Callable[[Point], bool]]] = {
    "rate_times_time": (
        "output_throughput × duration = total_output_tokens",
        lambda p: (
            abs(p["output_throughput"] * p["duration"] - p["total_output_tokens"]) <= 1e-6 * p["total_output_tokens"]
        ),
    ),
    "requests": ("completed + failed = requests sent", lambda p: p["completed"] + p["failed"] == p["num_prompts"]),
    "output_len": (
        "every completed request generated output_len tokens (ignore_eos)",
        lambda p: p["total_output_tokens"] == p["completed"] * p["output_len"],
    ),
    "ttft_le_e2el": ("mean TTFT ≤ mean E2EL", lambda p: p["mean_ttft_ms"] <= p["mean_e2el_ms"]),
    "goodput": (
        "goodput ≤ request throughput",
        lambda p: p["request_goodput"] is None or p["request_goodput"] <= p["request_throughput"] * (1 + 1e-9),
    ),
}


def check(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Every identity with the number of points that satisfy it.

    Raises:
        MeasurementError: one is broken.
    """
    found = []
    for name, (statement, holds) in _CHECKS.items():
        kept = sum(holds(point) for point in points)
        if kept < len(points):
            first = next(point for point in points if not holds(point))
            where = f"{first['mode']}, {first.get('max_concurrency') or first.get('request_rate')}"
            raise MeasurementError(
                f"identity broken: {statement}: {len(points) - kept} of {len(points)}, first {where}"
            )
        found.append({"id": name, "statement": statement, "status": "ok", "found": f"{kept} of {len(points)} points"})
    return found
