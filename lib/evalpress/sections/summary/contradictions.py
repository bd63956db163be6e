"""Where the benchmark and the serving section give different answers to one question, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.engine import EAGER
from evalpress.sections.benchmark.results import PairedMetric
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.gate import Gate, gate
from evalpress.sections.serving.results import Results as Serving
from evalpress.sections.summary.measured import Measured, throughput_workload

_ALLOWED = "offline and served figures agree on which mode is faster"
_MARGIN = 0.05
"""Figures of the two servers that differ by less than this share are taken for equal."""


def gates(data: Measured) -> Iterator[Gate]:
    """One gate where both sections have results: `warn` names every contradiction."""
    if "benchmark" not in data or "serving" not in data:
        return
    found = [*_faster(data["benchmark"], data["serving"]), *_cheaper(data["serving"])]
    yield gate("serving", "contradictions", "warn" if found else "pass", "; ".join(found) or "none", _ALLOWED)


def _faster(benchmark: Benchmark, serving: Serving) -> Iterator[str]:
    name = throughput_workload(benchmark)
    for mode, pair in benchmark.pairs.items():
        offline = pair.comparison.get(name, {}).get("output_throughput") if name else None
        if offline is not None:
            yield from _of_pair(mode, offline, serving)


def _of_pair(mode: str, offline: PairedMetric, serving: Serving) -> Iterator[str]:
    """A compiling mode and eager, offline and served."""
    if offline.ratio is None or offline.ci_low is None or offline.ci_high is None:
        return
    if offline.ci_low > 1:
        first, second, ratio = mode, EAGER, offline.ratio
    elif offline.ci_high < 1:
        first, second, ratio = EAGER, mode, 1 / offline.ratio
    else:
        return
    if first not in serving.saturation or second not in serving.saturation:
        return
    told = f"offline, {first} mode generates {ratio - 1:.0%} more tokens per second than {second}, but"
    here, there = (serving.saturation[mode].output_throughput for mode in (first, second))
    if here < there * (1 - _MARGIN):
        yield f"{told} served at saturation {1 - here / there:.0%} fewer"
    for share in sorted({rate.share_of_saturation for rate in serving.rates if rate.share_of_saturation is not None}):
        kept = {rate.mode: rate.slo_attainment for rate in serving.rates if rate.share_of_saturation == share}
        one, other = kept.get(first), kept.get(second)
        if one is not None and other is not None and one < other - _MARGIN:
            kept_by = f"for {one:.1%} of the requests, the {second} server for {other:.1%}"
            yield f"{told} at {share:.0%} of saturation its server keeps the SLO {kept_by}"


def _cheaper(serving: Serving) -> Iterator[str]:
    """HTTP adds work, so a latency that is significantly lower over HTTP has another cause."""
    for row in serving.http_cost:
        high = row.added_e2el_ms_high
        if high is not None and high < 0:
            yield (
                f"a request over HTTP to the {row.mode} server takes {-(row.added_e2el_ms or 0.0):.1f} ms less than in "
                "this process, where it has less to do"
            )
