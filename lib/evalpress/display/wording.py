"""Words for the keys of results files, and numbers for the sentences beside a figure."""

from __future__ import annotations

import math
from collections.abc import Iterable

Missing = tuple[str, str | None]
"""What could not be drawn, and why where that is known."""

_METRICS = {
    "output_throughput": "output throughput",
    "request_throughput": "request throughput",
    "total_token_throughput": "total token throughput",
    "prefill_throughput": "prefill throughput",
    "decode_throughput": "decode throughput",
    "ttft": "time to first token",
    "tpot": "time per output token",
    "itl": "inter-token latency",
    "e2el": "end-to-end latency",
    "duration": "duration",
    "slo_attainment": "SLO attainment",
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_STATISTICS = ("mean", "median", "std", "min", "max", "p90", "p99")


def metric_words(key: str) -> str:
    """`mean_ttft_ms` as "time to first token", `p99_ttft_ms` as "time to first token, p99"."""
    bare = key.removesuffix("_ms").removesuffix("_s")
    statistic, _, rest = bare.partition("_")
    if statistic in _STATISTICS and rest in _METRICS:
        return _METRICS[rest] if statistic == "mean" else f"{_METRICS[rest]}, {statistic}"
    return _METRICS.get(bare, bare.replace("_", " "))


def words(key: str) -> str:
    """`vllm_eager` as "vLLM eager"."""
    return key.replace("_", " ").replace("vllm", "vLLM")


def short(value: float) -> str:
    """Three significant digits, thousands separated: for labels inside a figure."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def listed(names: Iterable[str]) -> str:
    """ "a, b and c"; items with commas or colons in them are separated by semicolons."""
    known = list(names)
    if any(", " in name or ": " in name for name in known):
        return "; ".join(known)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}" if known else "none"


def missing_words(missing: Iterable[Missing]) -> str:
    """The end of a caption that names what could not be drawn and why; empty when nothing is missing."""
    by_reason: dict[str, dict[str, None]] = {}
    for name, why in missing:
        by_reason.setdefault(why or "not measured", {})[name] = None
    return "".join(f" Not drawn: {listed(names)}; reason: {why}." for why, names in by_reason.items())


def power_of_ten(value: float) -> str:
    """0.001 as 10⁻³: for the ticks of a logarithmic axis."""
    return f"10{str(round(math.log10(value))).translate(_RAISED)}" if value > 0 else ""
