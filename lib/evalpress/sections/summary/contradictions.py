"""Where the benchmark and the serving section give different answers to one question, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.engine import EAGER
from evalpress.sections.benchmark.results import PairedMetric
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.gate import Gate, gate
from evalpress.sections.serving.points import Rate
from evalpress.sections.serving.results import Results as Serving
from evalpress.sections.summary.measured import Measured, throughput_workload

_ALLOWED = "offline and served figures agree on which mode is faster"
_MARGIN = 0.05
"""Figures of the two servers that differ by less than this share are taken for equal."""


def gates(data: Measured) -> Iterator[Gate]:
    """One gate where both sections have results: `warn` names every contradiction."""
    if "benchmark" not in data or "serving" not in data:
        return
    benchmark, serving = data["benchmark"], data["serving"]
    found = [*_faster(benchmark, serving), *_one_stream(benchmark, serving), *_starts(benchmark, serving)]
    found += _cheaper(serving)
    yield gate("serving", "contradictions", "warn" if found else "pass", "; ".join(found) or "none", _ALLOWED)


def _faster(benchmark: Benchmark, serving: Serving) -> Iterator[str]:
    name = throughput_workload(benchmark)
    for mode, pair in benchmark.pairs.items():
        offline = pair.comparison.get(name, {}).get("output_throughput") if name else None
        if offline is not None:
            yield from _of_pair(mode, offline, serving)


def _ahead(mode: str, found: PairedMetric) -> tuple[str, str, float] | None:
    """Which of a compiling mode and eager has the higher figure, the other one, and the ratio; None: no difference."""
    if found.ratio is None or found.ci_low is None or found.ci_high is None:
        return None
    if found.ci_low > 1:
        return mode, EAGER, found.ratio
    return (EAGER, mode, 1 / found.ratio) if found.ci_high < 1 else None


def _of_pair(mode: str, offline: PairedMetric, serving: Serving) -> Iterator[str]:
    """A compiling mode and eager, offline and served."""
    ahead = _ahead(mode, offline)
    if ahead is None:
        return
    first, second, ratio = ahead
    if first not in serving.saturation or second not in serving.saturation:
        return
    told = f"offline, {first} mode generates {ratio - 1:.0%} more tokens per second than {second}, but"
    here, there = (serving.saturation[mode].output_throughput for mode in (first, second))
    if here < there * (1 - _MARGIN):
        yield f"{told} served at saturation {1 - here / there:.0%} fewer"
    for share in sorted({rate.share_of_saturation for rate in serving.rates if rate.share_of_saturation is not None}):
        at = {rate.mode: rate for rate in serving.rates if rate.share_of_saturation == share}
        if first in at and second in at and _keeps_less(at[first], at[second]):
            one, other = at[first].slo_attainment, at[second].slo_attainment
            kept_by = f"for {one:.1%} of the requests, the {second} server for {other:.1%}"
            yield f"{told} at {share:.0%} of saturation its server keeps the SLO {kept_by}"
    searched = serving.slo_search or {}
    lower, higher = (searched[mode].request_rate if mode in searched else None for mode in (first, second))
    if lower is not None and higher is not None and lower < higher * (1 - _MARGIN):
        rates = f"up to {lower:.3g} requests per second, the {second} server up to {higher:.3g}"
        yield f"{told} its server keeps the SLO {rates}"


def _keeps_less(one: Rate, other: Rate) -> bool:
    """Whether `one` keeps the SLO less often, beyond the margin and, where the intervals are known, beyond chance."""
    if one.slo_attainment is None or other.slo_attainment is None:
        return False
    high, low = one.slo_attainment_high, other.slo_attainment_low
    apart = high is None or low is None or high < low
    return apart and one.slo_attainment < other.slo_attainment - _MARGIN


def _one_stream(benchmark: Benchmark, serving: Serving) -> Iterator[str]:
    """The time per output token of a single request, in process and served."""
    name = next((n for n, load in benchmark.workloads.items() if load.alone and load.kind in ("decode", "e2e")), None)
    served = {level.mode: level.mean_tpot_ms for level in serving.levels if level.concurrency == 1}
    for mode, pair in benchmark.pairs.items():
        offline = pair.comparison.get(name, {}).get("output_throughput") if name else None
        ahead = _ahead(mode, offline) if offline is not None else None
        if ahead is None:
            continue
        first, second, ratio = ahead
        here, there = served.get(first), served.get(second)
        if here is not None and there is not None and here > there * (1 + _MARGIN):
            yield (
                f"one request at a time, {first} mode is {ratio - 1:.0%} faster than {second} in process, but its "
                f"server takes {here / there - 1:.0%} longer per output token"
            )


def _starts(benchmark: Benchmark, serving: Serving) -> Iterator[str]:
    """Which mode is ready first, in process and by the run book's command."""
    if serving.starts is None:
        return
    ready = {one.mode: one.ready_s for one in serving.starts.figures if one.kind == "warm"}
    inside = {mode: found.startup.total_s for mode, found in benchmark.modes.items() if mode in ready}
    for mode in [mode for mode in inside if mode != EAGER and EAGER in inside]:
        quick, slow = (EAGER, mode) if inside[EAGER] < inside[mode] else (mode, EAGER)
        if inside[quick] < inside[slow] * (1 - _MARGIN) and ready[quick] > ready[slow] * (1 + _MARGIN):
            yield (
                f"in process the {quick} engine starts in {inside[quick]:.1f} s and the {slow} one in "
                f"{inside[slow]:.1f} s, but as a server {quick} takes {ready[quick]:.1f} s and {slow} "
                f"{ready[slow]:.1f} s"
            )


def _cheaper(serving: Serving) -> Iterator[str]:
    """HTTP adds work, so a latency that is significantly lower over HTTP has another cause; one sentence per server."""
    for row in serving.http_cost:
        lower = [name for name in ("e2el", "ttft", "tpot") if (getattr(row, f"added_{name}_ms_high") or 0.0) < 0]
        if not lower:
            continue
        if lower[0] == "e2el":
            words = (
                f"a request over HTTP to the {row.mode} server takes {-(row.added_e2el_ms or 0.0):.1f} ms less than in"
            )
        else:
            added = -(getattr(row, f"added_{lower[0]}_ms") or 0.0)
            words = f"{lower[0].upper()} over HTTP to the {row.mode} server is {added:.2f} ms lower than in"
        yield f"{words} this process, where it has less to do"
