"""Results of older versions in today's form: figures that they did not keep are null with a reason."""

from __future__ import annotations

from evalpress.core.plain import Json

_WHY = "measured before the suite left out ramp and cool-down: the whole run counts"
_NOT_KEPT = "measured before this figure was kept"
_RUN = ("request_throughput", "output_throughput", "slo_attainment", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms")
_WHOLE = (
    *("duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput"),
    *("output_throughput", "total_token_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms"),
)


def from_first(data: Json) -> Json:
    """`data` of a results file whose schema is evalpress/serving/1."""
    found = dict(data)
    for server in found["servers"].values():
        server.pop("forked", None)
    found["levels"] = [_point(point) | {"warmups": point.get("warmups", 0)} for point in data["levels"]]
    found["rates"] = [_point(point) | {"late_ms": 0.0} for point in data["rates"]]
    found["curl"] = dict(data["curl"])
    return found | {"slo_search": None, "slo_search_why": _NOT_KEPT, "windows": {}}


def from_second(data: Json) -> Json:
    """`data` of a results file whose schema is evalpress/serving/2.

    It counted requests that ended in the window, of which a closed loop has too many (they end in waves): the rates
    are computed again from the output tokens, which were counted one by one.
    """
    found = dict(data)
    for key in ("levels", "rates"):
        found[key] = [_by_tokens(point) for point in data[key]]
    for one in (data["slo_search"] or {}).values():
        one["tried"] = [_by_tokens(point) for point in one["tried"]]
    for mode, best in data["saturation"].items():
        found["saturation"][mode]["request_throughput"] = next(
            level["request_throughput"]
            for level in found["levels"]
            if level["mode"] == mode and level["max_concurrency"] == best["concurrency"]
        )
    return found


def _by_tokens(point: Json) -> Json:
    length, counted = point["output_len"], point["request_throughput"]
    rate = point["output_throughput"] / length
    good = point["request_goodput"]
    runs = [run | {"request_throughput": run["output_throughput"] / length} for run in point["runs"]]
    intervals = dict(point["intervals"] or {})
    if "request_throughput" in intervals:
        intervals["request_throughput"] = {k: v / length for k, v in intervals["output_throughput"].items()}
    return point | {
        "intervals": intervals or point["intervals"],
        "request_throughput": rate,
        "request_goodput": good and good * rate / counted,
        "total_input_tokens": round(rate * point["duration"] * point["input_len"]),
        "total_token_throughput": rate * (length + point["input_len"]),
        "runs": runs,
    }


def _point(point: Json) -> Json:
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
