"""From the observed requests of a point's repeats to its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from evalpress.core.plain import Fields, Json
from evalpress.sections.serving import percentiles, window
from evalpress.sections.serving.client import Load, Observation, why_untimed
from evalpress.sections.serving.counters import Counted
from evalpress.sections.serving.points import Bounds, Run, WholeRun
from evalpress.sections.serving.window import Window

Slo = Mapping[Literal["ttft", "tpot", "e2el"], float]
"""Limits in ms by metric: ttft, tpot, e2el."""
LATENCIES = ("ttft", "tpot", "itl", "e2el")
STATISTICS = ("mean", "median", "std", "p90", "p99")
CLIENT_BOUND = 0.9
"""From this share of one core on, the client counts as the bottleneck: its Python runs on one core at a time."""
ENOUGH_REPEATS = 3
"""Fewer repeats give no meaningful interval: Student's factor is 12.7 for two."""
REPEATED = ("request_throughput", "output_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms")
_NO_SLO = "the set gives no serving.slo"


@dataclass(frozen=True)
class Repeat:
    """One run of the client at a point, and the window in it."""

    load: Load
    window: Window
    concurrency: int | None = None
    """Requests in flight of a closed loop."""
    counted: Counted | None = None
    """Tokens by the server's and the client's count."""

    @property
    def observations(self) -> tuple[Observation, ...]:
        return self.load.observations

    def plain(self) -> Json:
        """What is kept of every request in `results/raw`: seconds and tokens, in the order of sending.

        Names as in the results of `vllm bench serve`.
        """
        sent = self.observations
        return {
            "window": [self.window.begin, self.window.end],
            "start_times": [one.sent_s for one in sent],
            "end_times": [one.ended_s for one in sent],
            "late": [one.late_s for one in sent],
            "ttfts": [one.ttft_s for one in sent],
            "itls": [list(one.gaps_s) for one in sent],
            "input_lens": [one.input_tokens for one in sent],
            "output_lens": [one.output_tokens for one in sent],
            "errors": [one.error or "" for one in sent],
        }


def figures(repeats: Sequence[Repeat], slo: Slo) -> Fields:
    """The fields of `Point` that follow from the observations."""
    sent = [one for repeat in repeats for one in repeat.observations]
    counted = [one for repeat in repeats for one in repeat.window.counted]
    failures = [one.error for one in sent if one.error is not None]
    duration = sum(repeat.window.length for repeat in repeats)
    tokens = round(sum(window.tokens(repeat.observations, repeat.window) for repeat in repeats))
    runs = tuple(_run(repeat, slo) for repeat in repeats)
    drifts = [moved for repeat in repeats if (moved := window.drift(repeat.window)) is not None]
    drift = max(drifts, key=abs, default=None)
    share = max(repeat.load.cpu_share for repeat in repeats)
    found: Fields = {
        "repeats": len(repeats),
        "num_prompts": len(sent),
        "failed": len(failures),
        "failed_first": failures[0] if failures else None,
        **_throughput([_in_window(repeat) for repeat in repeats], duration, tokens),
        **_goodput(repeats, counted, duration, slo),
        **_share_bounds(counted, slo),
        "window_requests": len(counted),
        "not_steady_why": next((r.window.why_whole for r in repeats if r.window.why_whole), None),
        "mean_in_flight": _mean_in_flight(repeats, duration),
        **nullable("drift", drift, "too few requests in the window"),
        "drifts": drift is not None and abs(drift) > window.DRIFT,
        **_intervals(runs),
        "percentile_intervals": _percentile_intervals(counted),
        "whole_run": _whole_run(repeats, sent),
        "runs": runs,
        "client_s": sum(repeat.load.seconds for repeat in repeats),
        "client_cpu_share": share,
        "client_bound": share >= CLIENT_BOUND,
    }
    return found | latencies(counted)


def nullable(key: str, value: float | None, why: str) -> Fields:
    """A value that may not be measurable, with the reason beside it where it is not."""
    return {key: value} if value is not None else {key: None, f"{key}_why": why}


def latencies(counted: Sequence[Observation]) -> Fields:
    """All statistics of all latencies in ms; percentiles only where there are enough requests."""
    found: Fields = {}
    answered = sum(one.error is None for one in counted)
    for name in LATENCIES:
        values = _values(counted, name)
        for statistic in STATISTICS:
            key = f"{statistic}_{name}_ms"
            needed = percentiles.NEEDED.get(statistic, 1)
            if not values:
                why = why_untimed(counted) if answered else "no request of the window was answered"
                found |= nullable(key, None, why)
            elif answered < needed:
                found |= nullable(key, None, f"{answered} requests in the window, {needed} are needed")
            else:
                found[key] = _STATISTIC[statistic](values)
    return found


_STATISTIC: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "median": lambda values: float(np.median(values)),
    "std": lambda values: float(np.std(values)),
    "p90": lambda values: float(np.percentile(values, 90)),
    "p99": lambda values: float(np.percentile(values, 99)),
}


def _values(observations: Sequence[Observation], name: str) -> list[float]:
    """A latency of each answered request in ms; of ITL every gap."""
    answered = [one for one in observations if one.error is None]
    if name == "itl":
        return [1e3 * gap for one in answered if one.is_timed for gap in one.gaps_s]
    return [1e3 * value for one in answered if (value := getattr(one, f"{name}_s")) is not None]


def kept(one: Observation, slo: Slo) -> bool:
    """Whether a request kept every limit; one whose latency is undefined did not."""
    if one.error is not None:
        return False
    values = {name: getattr(one, f"{name}_s") for name in slo}
    return all(values[name] is not None and 1e3 * values[name] <= limit for name, limit in slo.items())


def attainment(counted: Sequence[Observation], slo: Slo) -> tuple[float | None, str]:
    """The share of these requests that kept the SLO, or None and the reason (SLO attainment: Zhong et al., DistServe,
    OSDI 2024)."""
    if not slo:
        return None, _NO_SLO
    answered = [one for one in counted if one.error is None]
    if "tpot" in slo and answered and not any(one.is_timed for one in answered):
        return None, f"the SLO limits TPOT, and {why_untimed(answered)}"
    return sum(kept(one, slo) for one in counted) / len(counted), ""


@dataclass(frozen=True)
class _Answered:
    """Requests answered in a time: how many ended, how many by their shares in it, and their prompt tokens."""

    ended: int
    requests: float
    input_tokens: float


def _in_window(repeat: Repeat) -> _Answered:
    answered = [one for one in repeat.observations if one.error is None]
    begin, end = repeat.window.begin, repeat.window.end
    return _Answered(
        ended=sum(begin <= one.ended_s <= end for one in answered),
        requests=window.requests(answered, repeat.window),
        input_tokens=sum(window.share(one, repeat.window) * (one.input_tokens or 0) for one in answered),
    )


def _throughput(parts: Sequence[_Answered], duration: float, tokens: int) -> Fields:
    inputs = round(sum(part.input_tokens for part in parts))
    return {
        "duration": duration,
        "completed": sum(part.ended for part in parts),
        "total_input_tokens": inputs,
        "total_output_tokens": tokens,
        "request_throughput": sum(part.requests for part in parts) / duration,
        "output_throughput": tokens / duration,
        "total_token_throughput": (inputs + tokens) / duration,
    }


def _goodput(repeats: Sequence[Repeat], counted: Sequence[Observation], duration: float, slo: Slo) -> Fields:
    share, why = attainment(counted, slo)
    good = sum(window.requests((o for o in r.observations if kept(o, slo)), r.window) for r in repeats) / duration
    return nullable("request_goodput", None if share is None else good, why) | nullable("slo_attainment", share, why)


def _share_bounds(counted: Sequence[Observation], slo: Slo) -> Fields:
    share, why = attainment(counted, slo)
    bounds = percentiles.share_interval([kept(one, slo) for one in counted]) if share is not None else (None, None)
    return nullable("slo_attainment_low", bounds[0], why) | nullable("slo_attainment_high", bounds[1], why)


def _mean_in_flight(repeats: Sequence[Repeat], duration: float) -> float:
    parts = [
        window.in_flight(r.observations, r.window.begin, r.window.end) * r.window.length / duration for r in repeats
    ]
    return float(sum(parts))


def _run(repeat: Repeat, slo: Slo) -> Run:
    counted, length = repeat.window.counted, repeat.window.length
    share, why = attainment(counted, slo)
    found: Fields = {
        "window_s": length,
        "window_requests": len(counted),
        "request_throughput": window.requests(repeat.observations, repeat.window) / length,
        "output_throughput": window.tokens(repeat.observations, repeat.window) / length,
    }
    return Run(**found, **nullable("slo_attainment", share, why), **_means(counted))


def _means(observations: Sequence[Observation]) -> Fields:
    found: Fields = {}
    for name in ("ttft", "tpot", "e2el"):
        values = _values(observations, name)
        found |= nullable(f"mean_{name}_ms", float(np.mean(values)) if values else None, why_untimed(observations))
    return found


def _intervals(runs: Sequence[Run]) -> Fields:
    if len(runs) < ENOUGH_REPEATS:
        why = f"{len(runs)} of the {ENOUGH_REPEATS} repeats that an interval needs (serving.repeats)"
        return {"intervals": None, "intervals_why": why}
    found = {}
    for key in REPEATED:
        values = [value for run in runs if (value := getattr(run, key)) is not None]
        if len(values) == len(runs):
            error = float(stats.sem(values))
            half = float(stats.t.ppf(0.975, len(values) - 1)) * error
            mean = float(np.mean(values))
            found[key] = Bounds(low=max(0.0, mean - half), high=mean + half)  # none of these is below zero
    return {"intervals": found}


def _percentile_intervals(counted: Sequence[Observation]) -> dict[str, Bounds]:
    found = {}
    answered = sum(one.error is None for one in counted)
    for name in ("ttft", "tpot", "e2el"):
        values = _values(counted, name)
        for statistic, share in percentiles.QUANTILES.items():
            if values and answered >= percentiles.NEEDED[statistic]:
                bounds = percentiles.interval(values, share)
                low = nullable("low", bounds.low, bounds.why or "")
                found[f"{statistic}_{name}_ms"] = Bounds(**low, **nullable("high", bounds.high, bounds.why or ""))
    return found


def _whole_run(repeats: Sequence[Repeat], sent: Sequence[Observation]) -> WholeRun:
    answered = [one for one in sent if one.error is None]
    duration = sum(max(o.ended_s for o in r.observations) - r.observations[0].sent_s for r in repeats)
    tokens = sum(one.output_tokens for one in answered)
    everything = _Answered(len(answered), len(answered), sum(one.input_tokens or 0 for one in answered))
    found = _throughput([everything], duration, tokens) | {"failed": len(sent) - len(answered)}
    return WholeRun(**found, **_means(sent))
