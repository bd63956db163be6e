"""Results of version 1 in today's form: figures that they did not keep are null with a reason."""

from __future__ import annotations

from typing import Any

_WHY = "measured before the suite left out ramp and cool-down: the whole run counts"
_NOT_KEPT = "measured before this figure was kept"
_RUN = ("request_throughput", "output_throughput", "slo_attainment", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms")
_WHOLE = (
    *("duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput"),
    *("output_throughput", "total_token_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms"),
)


def from_first(data: dict[str, Any]) -> dict[str, Any]:
    """`data` of a results file whose schema is evalpress/serving/1."""
    found = dict(data)
    for server in found["servers"].values():
        server.pop("forked", None)
    found["levels"] = [_point(point) | {"warmups": point.get("warmups", 0)} for point in data["levels"]]
    found["rates"] = [_point(point) | {"late_ms": 0.0} for point in data["rates"]]
    found["curl"] = dict(data["curl"])
    return found | {"slo_search": None, "slo_search_why": _NOT_KEPT, "windows": {}}


def _point(point: dict[str, Any]) -> dict[str, Any]:
    in_flight = point["request_throughput"] * point["mean_e2el_ms"] / 1e3  # Little's law
    run = {"window_s": point["duration"], "window_requests": point["completed"]}
    why = {"slo_attainment_why": point["slo_attainment_why"]} if "slo_attainment_why" in point else {}
    return point | {
        "repeats": 1,
        "window_requests": point["completed"],
        "not_steady_why": _WHY,
        "mean_in_flight": in_flight,
        "drift": None,
        "drift_why": _NOT_KEPT,
        "drifts": False,
        "intervals": None,
        "intervals_why": "one run per point",
        "percentile_intervals": {},
        "whole_run": {key: point[key] for key in _WHOLE},
        "runs": [run | {key: point[key] for key in _RUN} | why],
    }
