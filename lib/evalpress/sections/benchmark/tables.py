"""The benchmark section's tables."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.display.tables import Badge, Column, Missing, Quantity, Table, fmt
from evalpress.sections.benchmark import metrics
from evalpress.sections.job import Job

LABELS = {
    "output_throughput": ("output throughput", "tok/s"),
    "request_throughput": ("request throughput", "req/s"),
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
    return f"{'+' if value >= 0 else '−'}{abs(value):.1f} %"


def _changed(entry: dict[str, Any]) -> Any:
    if entry["ratio"] is None:
        return Missing(entry["ratio_why"])
    return change(entry["ratio"], entry["ci_low"], entry["ci_high"])


def comparison(document: Document) -> Table:
    """Eager against compiled, every workload and compared metric, with the paired ratio's interval."""
    data = document["data"]
    rows = []
    for workload, compared in data["comparison"].items():
        for metric, entry in compared.items():
            label, unit = LABELS[metric]
            better = "higher is better" if entry["better"] == "higher" else "lower is better"
            rows.append(
                [
                    workload,
                    label,
                    Quantity(entry["eager"], unit),
                    Quantity(entry["compiled"], unit),
                    _changed(entry),
                    better,
                ]
            )
    note = f"{data['pairing'].capitalize()}. Change: geometric mean of paired ratios, 95 % interval in brackets."
    heads: list[Column | str] = ["workload", "metric", "eager", "compiled", "change", ""]
    return Table("Eager against compiled", heads, rows, note=note)


def workloads(document: Document) -> Table:
    """The workloads' shapes, from the parameters."""
    rows = [
        [
            name,
            w["kind"],
            w["num_prompts"],
            w["input_len"],
            w["output_len"],
            "together" if w["concurrent"] else "one by one",
        ]
        for name, w in document["data"]["workloads"].items()
    ]
    heads: list[Column | str] = ["workload", "kind", "requests per block", "input tokens", "output tokens", "sent"]
    return Table(
        "Workloads", heads, rows, note="Random token ids, new in every block, the same for both modes of a pair."
    )


def speed(document: Document) -> Table:
    """Throughputs of every workload and mode, with the measured ceilings' share."""
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
        "steadiness": "over blocks",
    }
    note = (
        "Output throughput counts generated tokens over the whole duration, prefill included. Prefill and decode "
        "throughput are this suite's own: prompt tokens over the time in which a request was between scheduled and "
        "first token, and tokens after the first over the time in which decoding ran. MBU (of decode) and MFU (of "
        "prefill) are shares of the ceilings measured in this run. A phase that reaches a tenth of either ceiling is "
        "called limited by it; below, what remains is the launching of steps (launch overhead), inferred and not timed."
    )
    return Table.from_records("Throughput, and what limits it", columns, _by_workload(document), note=note)


def latency(document: Document, metric: str = "ttft") -> Table:
    """Mean, min, max and percentiles of one latency, every workload and mode."""
    heads = {"mean": "mean", "min": "min", "median": "median", "p90": "p90", "p99": "p99", "max": "max"}
    columns: dict[str, Column | str] = {"workload": "workload", "mode": "mode"}
    columns |= {f"{key}_{metric}_ms": Column(head, "ms") for key, head in heads.items()}
    return Table.from_records(f"{metric.upper()} by workload, ms", columns, _by_workload(document))


def _by_workload(document: Document) -> list[dict[str, Any]]:
    modes = document["data"]["modes"]
    names = list(document["data"]["workloads"])
    return [{"workload": name, "mode": mode} | modes[mode]["workloads"][name] for name in names for mode in modes]


def end_to_end(document: Document) -> Table:
    """End-to-end latency of one request against output length, and the tokens per second that it means."""
    data = document["data"]
    rows = []
    for name, load in sorted(data["workloads"].items(), key=lambda item: item[1]["output_len"]):
        if not load["alone"]:
            continue
        for mode, found in data["modes"].items():
            w = found["workloads"][name]
            rate = 1e3 * load["output_len"] / w["mean_e2el_ms"]
            rows.append([load["output_len"], mode, w["mean_e2el_ms"], rate, w["completed"]])
    heads: list[Column | str] = [
        "output tokens",
        "mode",
        Column("mean E2EL", "ms"),
        Column("output tokens / E2EL", "tok/s"),
        "requests",
    ]
    return Table("End-to-end latency of a single request", heads, rows)


def identical_tokens(document: Document) -> Table:
    """At which rate both modes generated the same tokens: a faster wrong answer is none."""
    rows = [
        [name, f["identical"], f["of"], f["identical"] / f["of"]]
        for name, f in document["data"]["identical_tokens"].items()
    ]
    same, asked = sum(row[1] for row in rows), sum(row[2] for row in rows)
    heads: list[Column | str] = ["workload", "identical requests", "of", Column("share", "share")]
    note = (
        f"In all {fmt(same)} of {fmt(asked)} requests. Prompts are random tokens, so the next token is often a near "
        "tie, and one that falls otherwise changes all that follow. Whether a difference is more than the dtype's "
        "noise is for the alignment section, on real texts."
    )
    return Table("Do both modes generate the same tokens?", heads, rows, note=note if rows else "")


def identities(document: Document) -> Table:
    """The identities that the figures were checked against."""
    marks = {"ok": "ok", "note": "warn", "broken": "fail"}
    rows = [[i["statement"], Badge(marks[i["status"]]), i["found"]] for i in document["data"]["identities"]]
    return Table("Identities checked", ["identity", "holds", "found"], rows)


def e2el_by_request(job: Job) -> dict[str, dict[str, list[float]]]:
    """Every request's end-to-end latency from the raw observations: `{mode: {workload: [ms, …]}}`."""
    blocks = job.read_raw("blocks")
    modes = {mode for by_mode in blocks.values() for mode in by_mode}
    return {m: {name: metrics.observations(by_mode[m], "e2el") for name, by_mode in blocks.items()} for m in modes}
