"""AIPerf's `profile_export_aiperf.json` and, beside it, `profile_export.jsonl` with every request (aiperf 0.13.0).

Its `inter_token_latency` is vLLM's TPOT; vLLM's ITL is its `inter_chunk_latency`. Its duration runs from the first
request to the last token; its throughputs are over a longer time, its profiling phase (`start_time` to `end_time`; a
file without them: the duration). Percentiles are numpy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from evalpress.reconcile.access import count, inner, lines, load, number
from evalpress.reconcile.observed import Printed, Request, Run, Totals, figure

TOOL = "AIPerf"
_LATENCIES = (
    ("time_to_first_token", "ttft", "ttft"),
    ("inter_token_latency", "tpot", "tpot"),
    ("inter_chunk_latency", "itl", "itl"),
    ("request_latency", "e2el", "e2el"),
)
_RATES = (
    ("request_throughput", "request_throughput", "completed"),
    ("output_token_throughput", "output_throughput", "output"),
    ("total_token_throughput", "total_token_throughput", "total"),
)
_STATISTICS = {"avg": "mean", "p50": "median", "std": "std", "p90": "p90", "p99": "p99"}
_MS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "sec": 1e3, "s": 1e3}
_STAMP_S = 1e-6
"""The last digit of its time stamps."""
_SUMMARY, _RECORDS = "profile_export_aiperf.json", "profile_export.jsonl"


def reads(document: Any) -> bool:
    """Whether a JSON document is one of this tool's."""
    if not isinstance(document, Mapping):
        return False
    return isinstance(inner(document, "request_latency", "unit"), str) or "aiperf_version" in document


def reads_lines(first: Any) -> bool:
    """Whether the first line of a JSON-lines file is one of this tool's."""
    return isinstance(inner(first, "metadata"), Mapping) and isinstance(inner(first, "metrics"), Mapping)


def runs(path: Path) -> list[Run]:
    """The run of either file; the other one is read too, where it is beside it under its usual name."""
    if path.suffix == ".jsonl":
        summary = path.with_name(path.name.replace(".jsonl", "_aiperf.json"))
        records: Path | None = path
    else:
        summary = path
        beside = path.with_name(path.name.replace("_aiperf.json", ".jsonl"))
        records = beside if beside != path and beside.is_file() else None
    body = load(summary) if summary.is_file() else {}
    requests = tuple(_requests(lines(records))) if records else ()
    files = tuple(one for one in (summary, records) if one is not None and one.is_file())
    return [_run(files, body if isinstance(body, Mapping) else {}, requests)]


def _run(files: tuple[Path, ...], body: Mapping[str, Any], requests: tuple[Request, ...]) -> Run:
    means = () if requests else _means(body)
    lacks = f"there is no {_RECORDS} beside the file, so no data of single requests"
    if not requests and not means:
        lacks += ", and output lengths differ"
    version = body.get("aiperf_version")
    return Run(
        tool=TOOL,
        version=version if isinstance(version, str) else None,
        files=files,
        name="",
        printed=tuple(_printed(body)),
        requests=requests or means,
        means=bool(means),
        duration_s=_seconds(body.get("benchmark_duration")),
        window_s=_phase_s(body),
        totals=Totals(
            count(inner(body, "request_count", "avg")),
            count(inner(body, "error_request_count", "avg")),
            _sum(body, "input_sequence_length", "total_isl"),
            _sum(body, "output_sequence_length", "total_osl"),
        ),
        lacks=lacks,
    )


def _sum(body: Mapping[str, Any], record: str, derived: str) -> int | None:
    found = number(inner(body, record, "sum"))
    return round(found) if found is not None else count(inner(body, derived, "avg"))


def _seconds(metric: Any) -> float | None:
    value, unit = number(inner(metric, "avg")), inner(metric, "unit")
    return None if value is None or unit not in _MS else value * _MS[unit] / 1e3


def _phase_s(body: Mapping[str, Any]) -> float | None:
    """The length of the profiling phase, where the file states when it began and ended."""
    try:
        start, end = (datetime.fromisoformat(str(body.get(key))) for key in ("start_time", "end_time"))
        seconds = (end - start).total_seconds()
    except (ValueError, TypeError):
        return None
    return seconds if seconds > 0 else None


def _printed(body: Mapping[str, Any]) -> list[Printed]:
    seconds = _seconds(body.get("benchmark_duration"))
    found = figure("benchmark_duration", "duration", seconds, "span")
    phase_s = _phase_s(body)
    for key, metric, counted in _RATES:
        value = inner(body, key, "avg")
        off = _STAMP_S / phase_s * (number(value) or 0.0) if phase_s else 0.0
        found += figure(key, metric, value, f"{counted}/{'window' if phase_s else 'stated'}", rounding=off)
    for key, metric, definition in _LATENCIES:
        scale = _MS.get(str(inner(body, key, "unit")))
        for theirs, statistic in _STATISTICS.items() if scale is not None else ():
            value = inner(body, key, theirs)
            found += figure(f"{key}.{theirs}", f"{statistic}_{metric}", value, definition, scale=scale or 1.0)
    return found


def _means(body: Mapping[str, Any]) -> tuple[Request, ...]:
    """One request with the means of all, where all outputs have one length: the mean TPOT then follows from them."""
    low, high = (number(inner(body, "output_sequence_length", key)) for key in ("min", "max"))
    first, whole = (
        None
        if (v := number(inner(body, key, "avg"))) is None
        else v * _MS.get(str(inner(body, key, "unit")), 1.0) / 1e3
        for key in ("time_to_first_token", "request_latency")
    )
    if low is None or low != high or first is None or whole is None:
        return ()
    return (Request(None, first, whole, int(low), end_s=whole),)


def _requests(records: Sequence[Mapping[str, Any]]) -> list[Request]:
    found = []
    for one in records:
        if inner(one, "metadata", "benchmark_phase") == "warmup":
            continue
        start, end = (number(inner(one, "metadata", key)) for key in ("request_start_ns", "request_end_ns"))
        metrics = one.get("metrics")
        gaps = inner(metrics, "inter_chunk_latency", "value")
        unit = _MS.get(str(inner(metrics, "inter_chunk_latency", "unit")), 1.0)
        due = number(inner(one, "metadata", "credit_issued_ns"))
        found.append(
            Request(
                sent_s=None if start is None else start / 1e9,
                ttft_s=_metric_s(metrics, "time_to_first_token"),
                e2el_s=_metric_s(metrics, "request_latency"),
                output_tokens=count(inner(metrics, "output_sequence_length", "value")),
                input_tokens=count(inner(metrics, "input_sequence_length", "value")),
                end_s=(end - start) / 1e9 if start is not None and end is not None else None,
                gaps_s=tuple(v * unit / 1e3 for v in gaps) if isinstance(gaps, list) else None,
                waited_s=(start - due) / 1e9 if start is not None and due is not None else None,
                tool_tpot_s=_metric_s(metrics, "inter_token_latency"),
                failed=one.get("error") is not None,
            )
        )
    return found


def _metric_s(metrics: Any, key: str) -> float | None:
    value, unit = number(inner(metrics, key, "value")), str(inner(metrics, key, "unit"))
    return None if value is None or unit not in _MS else value * _MS[unit] / 1e3
