"""EvalScope's `benchmark_summary.json`, `benchmark_percentile.json` and `benchmark_data.db` of one folder (1.14.1).

Its TPOT and latency run to the last message of the stream, which is the usage chunk, not the last token; its duration
from the first request to the last completion. Percentiles are values at a rank, rounded to four digits. From the
database only columns with numbers are read: the messages in it are pickled and never opened.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.reconcile.access import count, load, number
from evalpress.reconcile.observed import Printed, Request, Run, Totals, figure

TOOL = "EvalScope perf"
SUMMARY, PERCENTILES, DATABASE = "benchmark_summary.json", "benchmark_percentile.json", "benchmark_data.db"
_DURATION = ("Test Duration (s)", "Time taken for tests (s)")
_FIGURES: tuple[tuple[tuple[str, ...], str, str, float, float], ...] = (
    (_DURATION, "duration", "end", 1.0, 0.5e-4),
    (("Req Throughput (req/s)", "Request throughput (req/s)"), "request_throughput", "completed/stated", 1.0, 0.5e-4),
    (
        ("Output Throughput (tok/s)", "Output token throughput (tok/s)"),
        "output_throughput",
        "output/stated",
        1.0,
        0.5e-4,
    ),
    (
        ("Total Throughput (tok/s)", "Total token throughput (tok/s)"),
        "total_token_throughput",
        "total/stated",
        1.0,
        0.5e-4,
    ),
    (("Avg TTFT (ms)",), "mean_ttft", "ttft", 1.0, 0.5e-2),
    (("Average time to first token (s)",), "mean_ttft", "ttft", 1e3, 0.5e-4),
    (("Avg TPOT (ms)",), "mean_tpot", "tpot_end", 1.0, 0.5e-2),
    (("Average time per output token (s)",), "mean_tpot", "tpot_end", 1e3, 0.5e-4),
    (("Avg ITL (ms)",), "mean_itl", "itl", 1.0, 0.5e-2),
    (("Average inter-token latency (s)",), "mean_itl", "itl", 1e3, 0.5e-4),
    (("Avg Latency (s)", "Average latency (s)"), "mean_e2el", "e2el_end", 1e3, 0.5e-4),
)
"""Names (today's and earlier ones), our key, the documented definition, factor to our unit, half of the last digit."""
_COLUMNS = (
    ("TTFT (ms)", "ttft", "ttft", 1.0),
    ("TPOT (ms)", "tpot", "tpot_end", 1.0),
    ("ITL (ms)", "itl", "itl", 1.0),
    ("Latency (s)", "e2el", "e2el_end", 1e3),
)
_SHARES = {"50%": "median", "90%": "p90", "99%": "p99"}
_QUERY = (
    "SELECT start_time, inter_token_latencies, success, completed_time, latency, first_chunk_latency, prompt_tokens, "
    "completion_tokens, time_per_output_token FROM result"
)


def reads(document: Any) -> bool:
    """Whether a JSON document is one of this tool's."""
    if isinstance(document, list):
        return bool(document) and isinstance(document[0], Mapping) and "Percentiles" in document[0]
    return isinstance(document, Mapping) and any(name in document for name in _DURATION)


def runs(path: Path) -> list[Run]:
    """The run of a folder; any of its three files names it."""
    places = {name: path.with_name(name) for name in (SUMMARY, PERCENTILES, DATABASE)}
    own = PERCENTILES if path.suffix == ".json" and isinstance(load(path), list) else SUMMARY
    places[DATABASE if path.suffix == ".db" else own] = path
    there = {name: place for name, place in places.items() if place.is_file()}
    summary = load(there[SUMMARY]) if SUMMARY in there else {}
    percentiles = load(there[PERCENTILES]) if PERCENTILES in there else []
    requests = tuple(_requests(there[DATABASE])) if DATABASE in there else ()
    means = () if requests else _means(summary, percentiles)
    completed = count(summary.get("Success Requests", summary.get("Succeed requests")))
    lacks = f"there is no {DATABASE} beside the file, so no data of single requests"
    if not requests and not means:
        lacks += ", and output lengths differ or are not told"
    return [
        Run(
            tool=TOOL,
            version=None,
            files=tuple(there.values()),
            name="",
            printed=(*_printed(summary), *_percentiles(percentiles)),
            requests=requests or means,
            means=bool(means),
            duration_s=_first(summary, _DURATION),
            totals=Totals(
                completed,
                count(summary.get("Failed Requests", summary.get("Failed requests"))),
                _sum(summary, "Avg Input Tokens", completed),
                _sum(summary, "Avg Output Tokens", completed),
            ),
            lacks=lacks,
        )
    ]


def _first(body: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((found for name in names if (found := number(body.get(name))) is not None), None)


def _sum(body: Mapping[str, Any], key: str, completed: int | None) -> int | None:
    mean = number(body.get(key))
    return None if mean is None or completed is None else round(mean * completed)


def _printed(body: Mapping[str, Any]) -> list[Printed]:
    found: list[Printed] = []
    for names, key, definition, scale, rounding in _FIGURES:
        name = next((one for one in names if number(body.get(one)) is not None), None)
        if name is not None and (number(body[name]) or 0.0) >= 0:  # -1: does not apply
            found += figure(name, key, body[name], definition, scale=scale, rounding=rounding)
    return found


def _percentiles(rows: Any) -> list[Printed]:
    found: list[Printed] = []
    for row in rows if isinstance(rows, list) else []:
        statistic = _SHARES.get(str(row.get("Percentiles"))) if isinstance(row, Mapping) else None
        for column, metric, definition, scale in _COLUMNS if statistic else ():
            name, value = f"{column}, {row['Percentiles']}", row.get(column)
            found += figure(
                name, f"{statistic}_{metric}", value, definition, scale=scale, rounding=0.5e-4, method="nearest"
            )
    return found


def _means(summary: Mapping[str, Any], percentiles: Any) -> tuple[Request, ...]:
    """One request with the means of all, where all outputs have one length."""
    lengths = {number(row.get("Output tokens")) for row in percentiles if isinstance(row, Mapping)}
    first, whole = _first(summary, ("Avg TTFT (ms)",)), _first(summary, ("Avg Latency (s)",))
    if len(lengths) != 1 or None in lengths or first is None or whole is None:
        return ()
    return (Request(None, first / 1e3, None, int(lengths.pop() or 0), end_s=whole),)


def _requests(path: Path) -> list[Request]:
    """The requests of the database.

    Raises:
        UserError: it is no database of this tool.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute(_QUERY).fetchall()
    except sqlite3.Error as error:
        raise UserError(f"{path}: found no database of EvalScope perf ({error}), allowed its {DATABASE}") from None
    return [_request(row) for row in rows]


def _request(row: tuple[Any, ...]) -> Request:
    sent, told, success, _, latency, first, inputs, outputs, tpot = row
    try:
        gaps = [float(gap) for gap in json.loads(told)] if told else []
    except (ValueError, TypeError):
        gaps = []
    begin = number(first)
    return Request(
        sent_s=number(sent),
        ttft_s=begin,
        e2el_s=None if begin is None else begin + sum(gaps),
        output_tokens=count(outputs),
        input_tokens=count(inputs),
        end_s=number(latency),
        gaps_s=tuple(gaps),
        tool_tpot_s=number(tpot),
        failed=not success,
    )
