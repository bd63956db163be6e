"""GuideLLM's `benchmarks.json` (GenerativeBenchmarksReport, report versions 1 and 2; read in guidellm 0.8.1).

Its `inter_token_latency_ms` is vLLM's TPOT and its `time_per_output_token_ms` includes the first token; the means of
both are weighted by tokens (`GenerativeMetrics.compile`). Percentiles are values at a rank. It keeps when the first and
the last token came and not the chunks between: vLLM's ITL cannot be computed. `request_latency` ends with the response.
Rates count over its measured time, from when its scheduler began to when the last request was complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.reconcile.access import count, inner, load, number
from evalpress.reconcile.observed import Printed, Request, Run, Totals, figure

TOOL = "GuideLLM"
_LATENCIES = (
    ("time_to_first_token_ms", "ttft", "ttft", 1.0),
    ("inter_token_latency_ms", "tpot", "tpot_weighted", 1.0),
    ("time_per_output_token_ms", "tpot", "tpot_first_weighted", 1.0),
    ("request_latency", "e2el", "e2el_end", 1e3),
)
_RATES = (
    ("requests_per_second", "request_throughput", "completed/window"),
    ("output_tokens_per_second", "output_throughput", "output/window"),
    ("tokens_per_second", "total_token_throughput", "total/window"),
)
_STAMP_S = 1e-6
"""Time stamps count from the epoch, so that differences of two are no finer."""
_PERCENTILES = {"median": ("median",), "p90": ("percentiles", "p90"), "p99": ("percentiles", "p99")}


def reads(document: Any) -> bool:
    """Whether a JSON document is one of this tool's."""
    return isinstance(document, Mapping) and isinstance(document.get("benchmarks"), list) and "metadata" in document


def runs(path: Path) -> list[Run]:
    """One run per benchmark of the report.

    Raises:
        UserError: the report holds none.
    """
    body = load(path)
    found = [one for one in body["benchmarks"] if isinstance(one, Mapping)]
    if not found:
        raise UserError(f"{path}: benchmarks: found none, allowed at least one")
    version = inner(body, "metadata", "guidellm_version")
    return [_run(path, one, version if isinstance(version, str) else None) for one in found]


def _run(path: Path, body: Mapping[str, Any], version: str | None) -> Run:
    groups = {name: inner(body, "requests", name) for name in ("successful", "errored")}
    listed = {name: value if isinstance(value, list) else [] for name, value in groups.items()}
    requests = [_request(one, failed=name == "errored") for name, ones in listed.items() for one in ones]
    made = count(inner(body, "metrics", "request_totals", "successful"))
    strategy = inner(body, "config", "strategy") or inner(body, "scheduler", "strategy")
    sampled = made is not None and len(listed["successful"]) < made
    totals = {key: _total(body, key) for key in ("prompt_token_count", "output_token_count")}
    found = Run(
        tool=TOOL,
        version=version,
        files=(path,),
        name=_strategy(strategy),
        printed=tuple(_printed(body)),
        duration_s=number(body.get("duration")),
        window_s=_between(number(body.get("start_time")), number(body.get("end_time"))),
        totals=Totals(
            made,
            count(inner(body, "metrics", "request_totals", "errored")),
            totals["prompt_token_count"],
            totals["output_token_count"],
        ),
        notes=_notes(body, len(listed["successful"]), made, sampled),
    )
    if sampled or not requests:
        return replace(found, lacks=f"the file holds {len(listed['successful'])} of {made} requests")
    return replace(found, requests=tuple(requests))


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _strategy(found: Any) -> str:
    kind = inner(found, "type_") or inner(found, "kind") or "benchmark"
    level = inner(found, "streams") or inner(found, "rate") or inner(found, "max_concurrency")
    return f"{kind} {level}" if level is not None else str(kind)


def _total(body: Mapping[str, Any], key: str) -> int | None:
    found = number(inner(body, "metrics", key, "successful", "total_sum"))
    return None if found is None else round(found)


def _notes(body: Mapping[str, Any], held: int, made: int | None, sampled: bool) -> tuple[str, ...]:
    found = []
    if sampled:
        found.append(f"the report keeps a sample of {held} of {made} requests: nothing is recomputed from it")
    for key in ("warmup_duration", "cooldown_duration"):
        if (seconds := number(body.get(key))) is not None and seconds > 1e-3:
            found.append(f"{key}: {seconds:.3g} s are outside of its measured time, and in vLLM's")
    return tuple(found)


def _printed(body: Mapping[str, Any]) -> list[Printed]:
    found = figure("duration", "duration", body.get("duration"), "window")
    for key, metric, definition in _RATES:
        found += figure(f"{key}.mean", metric, inner(body, "metrics", key, "successful", "mean"), definition)
    for key, metric, definition, scale in _LATENCIES:
        summary = inner(body, "metrics", key, "successful")
        found += figure(
            f"{key}.mean",
            f"mean_{metric}",
            inner(summary, "mean"),
            definition,
            scale=scale,
            rounding=_STAMP_S * 1e3 / scale,
        )
        for statistic, where in _PERCENTILES.items():
            value = inner(summary, *where)
            found += figure(
                f"{key}.{where[-1]}",
                f"{statistic}_{metric}",
                value,
                definition,
                scale=scale,
                rounding=_STAMP_S * 1e3 / scale,
                method="nearest",
            )
    return found


def _request(body: Mapping[str, Any], *, failed: bool) -> Request:
    timings = inner(body, "info", "timings") or inner(body, "scheduler_info", "request_timings")
    sent, first, last, end = (
        number(inner(timings, key))
        for key in ("request_start", "first_token_iteration", "last_token_iteration", "request_end")
    )
    known = sent is not None and first is not None and last is not None
    due = number(inner(timings, "targeted_start"))
    return Request(
        sent_s=sent,
        ttft_s=first - sent if known and first is not None and sent is not None else None,
        e2el_s=last - sent if known and last is not None and sent is not None else None,
        output_tokens=count(body.get("output_tokens")),
        input_tokens=count(body.get("prompt_tokens")),
        end_s=end - sent if end is not None and sent is not None else None,
        waited_s=sent - due if sent is not None and due is not None else None,
        failed=failed,
    )
