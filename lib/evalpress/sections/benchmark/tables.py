"""The benchmark section's tables of speed."""

from __future__ import annotations

from evalpress.core import stats
from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import (
    Badge,
    Cell,
    Change,
    ChangeInterval,
    Column,
    Missing,
    Quantity,
    Switch,
    Table,
    fmt,
    pick,
)
from evalpress.params.engine import COMPILED
from evalpress.sections.benchmark import metrics, observations
from evalpress.sections.benchmark.results import PairedMetric, Results, WorkloadFigures
from evalpress.sections.job import Job

__dir__ = own_functions(__name__)

LABELS = {
    "output_throughput": ("output throughput", "tok/s"),
    "mean_ttft_ms": ("mean TTFT", "ms"),
    "mean_tpot_ms": ("mean TPOT", "ms"),
    "mean_e2el_ms": ("mean E2EL", "ms"),
}


def change(ratio: float | None, low: float | None, high: float | None) -> str:
    """A paired ratio as a signed percentage with its interval: +54 % (+51 % to +57 %)."""
    if ratio is None:
        return fmt(None)
    if low is None or high is None:
        return f"{_percent(ratio)}"
    return f"{_percent(ratio)} ({_percent(low)} to {_percent(high)})"


def _percent(ratio: float) -> str:
    value = 100 * (ratio - 1)
    return f"{'+' if value >= 0 else '−'}{abs(value):,.1f} %"


def _changed(found: PairedMetric) -> list[Cell]:
    """The change, and its interval or why it has none."""
    if found.ratio is None:
        return [Missing(str(found.ratio_why))] * 2
    if found.ci_low is None or found.ci_high is None:
        return [Change(found.ratio), Missing(str(found.ci_low_why))]
    return [Change(found.ratio), ChangeInterval(found.ci_low, found.ci_high)]


def comparison(document: Document[Results]) -> Table:
    """Each compiling mode against eager, every workload and compared metric, with the paired ratio's interval."""
    data = document.data
    alone = set(data.pairs) <= {COMPILED}
    rows: list[list[Cell]] = []
    for workload in dict.fromkeys(name for pair in data.pairs.values() for name in pair.comparison):
        for metric, (label, unit) in LABELS.items():
            for mode, pair in data.pairs.items():
                found = pair.comparison[workload][metric]
                better = "higher is better" if found.better == "higher" else "lower is better"
                absolute = [Quantity(found.eager, unit), Quantity(found.compiled, unit)]
                rows.append([workload, label, *([] if alone else [mode]), *_changed(found), *absolute, better])
    note = (
        f"{data.pairing.capitalize()}. Change: geometric mean of paired ratios. Every request of a workload generates "
        "the same number of tokens, so requests per second change as output throughput does."
    )
    every = [
        found for pair in data.pairs.values() for metrics in pair.comparison.values() for found in metrics.values()
    ]
    if any(map(_points_the_other_way, every)):
        note += " A mean of paired ratios can point the other way than the two means where blocks vary."
    heads: list[Column | str] = ["workload", "metric", "change", "95 % interval", "eager", "compiled", ""]
    if alone:
        return Table("Eager against compiled", heads, rows, note=note)
    heads = ["workload", "metric", "mode", "change", "95 % interval", "eager", "this mode", ""]
    return Table("Eager against each way of compiling", heads, rows, note=note)


def _points_the_other_way(found: PairedMetric) -> bool:
    """Whether the mean of the paired ratios says faster and the two means say slower, or the reverse."""
    if not found.ratio or not found.eager or found.compiled is None:
        return False
    return (found.ratio - 1) * (found.compiled / found.eager - 1) < 0


def workloads(document: Document[Results]) -> Table:
    """The workloads' shapes, from the parameters."""
    rows: list[list[Cell]] = [
        [name, w.kind, w.num_prompts, w.input_len, w.output_len, "together" if w.concurrent else "one by one"]
        for name, w in document.data.workloads.items()
    ]
    heads: list[Column | str] = ["workload", "kind", "requests per block", "input tokens", "output tokens", "sent"]
    note = "Random token ids, new in every block, the same for every mode."
    left_out = document.data.left_out
    if left_out:
        note += f" Left out to keep to run.budget_minutes: {'; '.join(left_out)}."
    return Table("Workloads", heads, rows, note=note)


def speed(document: Document[Results]) -> Table:
    """Throughputs of every workload and mode, with their shares of the measured peak rates."""
    columns: dict[str, Column | str] = {
        "workload": "workload",
        "mode": "mode",
        "output_throughput": Column("output", "tok/s"),
        "prefill_throughput": Column("prefill", "tok/s"),
        "decode_throughput": Column("decode", "tok/s"),
        "mbu": Column("MBU", "share"),
        "decode_limited_by": "decode limited by",
        "mfu": Column("MFU", "share"),
        "prefill_limited_by": "prefill limited by",
        "cv_output_throughput": Column("variation", "share"),
        "steadiness": "steadiness",
    }
    note = (
        "Output throughput counts generated tokens over the whole duration, prefill included. Prefill and decode "
        "throughput are this suite's own: prompt tokens over the time in which a request was between scheduled and "
        "first token, and tokens after the first over the time in which decoding ran. MBU (of decode) and MFU (of "
        "prefill) are shares of the peak rates measured in this run. A phase that reaches a tenth of either peak is "
        "called limited by it; below that, neither limits it: kernels, launching or scheduling do, which this report "
        "does not separate. Variation: standard deviation of the output throughput of single blocks over its mean; "
        f"steady below {100 * stats.STEADY_BELOW:g} %, unsteady above {100 * stats.UNSTEADY_ABOVE:g} %, else fair."
    )
    return Table.from_records("Throughput, and what limits it", columns, _by_workload(document), note=note)


_STATISTICS = ("mean", "min", "median", "p90", "p99", "max")


def latency(document: Document[Results], metric: str = "ttft") -> Table:
    """Mean, min, max and percentiles of one latency, every workload and mode; no percentile of too few values."""
    what = "gaps" if metric == "itl" else "requests"
    rows: list[list[Cell]] = []
    for names, found in _by_workload(document):
        count = found.total_output_tokens - found.completed if metric == "itl" else found.completed
        shown: list[Cell] = [
            Missing(why) if (why := stats.too_few(key, count, what)) else pick(found, f"{key}_{metric}_ms")
            for key in _STATISTICS
        ]
        rows.append([*names.values(), count, *shown])
    heads: list[Column | str] = ["workload", "mode", what, *(Column(key, "ms") for key in _STATISTICS)]
    return Table(f"{metric.upper()} by workload, ms", heads, rows)


def latencies(document: Document[Results]) -> Switch:
    """The percentiles of every latency by workload and mode, one metric at a time."""
    return Switch("latency", {metric.upper(): latency(document, metric) for metric in ("ttft", "tpot", "itl", "e2el")})


def _by_workload(document: Document[Results]) -> list[tuple[dict[str, str], WorkloadFigures]]:
    modes = document.data.modes
    return [
        ({"workload": name, "mode": mode}, found.workloads[name])
        for name in document.data.workloads
        for mode, found in modes.items()
    ]


def end_to_end(document: Document[Results]) -> Table:
    """End-to-end latency of one request against output length, and the tokens per second that it means."""
    data = document.data
    rows: list[list[Cell]] = []
    for name, load in sorted(data.workloads.items(), key=lambda item: item[1].output_len):
        if not load.alone:
            continue
        for mode, found in data.modes.items():
            w = found.workloads[name]
            rate: Cell = pick(w, "mean_e2el_ms")
            if w.mean_e2el_ms:
                rate = 1e3 * load.output_len / w.mean_e2el_ms
            rows.append([load.output_len, mode, pick(w, "mean_e2el_ms"), rate, w.completed])
    heads: list[Column | str] = [
        "output tokens",
        "mode",
        Column("mean E2EL", "ms"),
        Column("output tokens / E2EL", "tok/s"),
        "requests",
    ]
    return Table("End-to-end latency of a single request", heads, rows)


def identical_tokens(document: Document[Results]) -> Table:
    """In how many requests a compiling mode generated the same tokens as eager."""
    pairs = document.data.pairs
    alone = set(pairs) <= {COMPILED}
    counted = [(name, mode, found) for mode, pair in pairs.items() for name, found in pair.identical_tokens.items()]
    rows: list[list[Cell]] = [
        [name, *([] if alone else [mode]), found.identical, found.of, found.identical / found.of]
        for name, mode, found in counted
    ]
    same, asked = (sum(getattr(found, key) for _, _, found in counted) for key in ("identical", "of"))
    heads: list[Column | str] = ["workload", *([] if alone else ["eager and"]), "identical requests", "of"]
    heads.append(Column("share", "share"))
    note = (
        f"Together: {fmt(same)} of {fmt(asked)} requests. Prompts are random tokens, so the two most likely next "
        "tokens often have nearly equal scores; after a different choice, all following tokens differ as well. Whether "
        "a difference is larger than rounding in this dtype is measured in the alignment section, on real texts."
    )
    title = "Do both modes generate the same tokens?" if alone else "Do all modes generate the same tokens?"
    return Table(title, heads, rows, note=note if rows else "")


def invariants(document: Document[Results]) -> Table:
    """The invariants that the figures were checked against."""
    marks = {"ok": "ok", "note": "warn", "broken": "fail"}
    rows: list[list[Cell]] = [
        [item.statement, Badge(marks[item.status]), item.found] for item in document.data.identities
    ]
    return Table("Invariants checked", ["invariant", "holds", "found"], rows)


def e2el_by_request(job: Job) -> dict[str, dict[str, list[float]]]:
    """Every request's end-to-end latency from the raw observations: `{mode: {workload: [ms, …]}}`."""
    blocks = observations.typed(job.read_raw("blocks"))
    modes = {mode for by_mode in blocks.values() for mode in by_mode}
    return {m: {name: metrics.observations(by_mode[m], "e2el") for name, by_mode in blocks.items()} for m in modes}
