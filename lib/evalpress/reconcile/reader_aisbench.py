"""AISBench's performance results (ais-bench-benchmark 3.0 and 3.1): `<dataset>.csv` and `<dataset>.json`, and beside
them `<dataset>_details.jsonl` with `db_data/*.db`, which hold when each chunk of each request came.

Every chunk of the stream counts there, so that TTFT ends with the first chunk of any kind (a chat's role) and E2EL with
the usage chunk. The CSV has the statistics over requests, the JSON the throughputs; the duration runs from the first
request to the last chunk.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalpress.core.errors import UserError
from evalpress.reconcile.access import count, lines, load, number, text
from evalpress.reconcile.observed import Printed, Request, Run, Totals, figure

TOOL = "AISBench"
_DETAILS = "_details.jsonl"
_NUMBER = re.compile(r"^\s*(-?[\d.]+(?:[eE][-+]?\d+)?)\s*(ms|s|us|token/s|req/s)?\s*$")
_LATENCIES = {"TTFT": "ttft_chunk", "TPOT": "tpot_chunk", "ITL": "itl_chunks", "E2EL": "e2el_end"}
_STATISTICS = {"Average": "mean", "Median": "median", "P90": "p90", "P99": "p99"}
_RATES = (
    ("Request Throughput", "request_throughput", "completed/stated"),
    ("Output Token Throughput", "output_throughput", "output/stated"),
    ("Total Token Throughput", "total_token_throughput", "total/stated"),
)
_MS = {"ms": 1.0, "s": 1e3, "us": 1e-3}
_LAST_DIGIT = 0.5e-4


def reads(document: Any) -> bool:
    """Whether a JSON document is one of this tool's."""
    return isinstance(document, Mapping) and isinstance(document.get("Benchmark Duration"), Mapping)


def reads_csv(head: str) -> bool:
    """Whether a CSV file is one of this tool's."""
    return head.startswith("Performance Parameters,Stage")


def reads_lines(first: Any) -> bool:
    """Whether the first line of a JSON-lines file is one of this tool's."""
    return isinstance(first, Mapping) and "time_points" in first and "db_name" in first


def runs(path: Path) -> list[Run]:
    """One run per stage; the files beside the one that is named are read too."""
    base = path.name.removesuffix(_DETAILS).removesuffix(".json").removesuffix(".csv")
    places = {kind: path.with_name(base + kind) for kind in (".csv", ".json", _DETAILS)}
    there = {kind: place for kind, place in places.items() if place.is_file()}
    sums = load(there[".json"]) if ".json" in there else {}
    rows = list(csv.DictReader(io.StringIO(text(there[".csv"])))) if ".csv" in there else []
    stages = list(dict.fromkeys([*(row["Stage"] for row in rows), *_inner_keys(sums)])) or ["total"]
    requests, why = (
        _requests(there[_DETAILS]) if _DETAILS in there else ([], f"there is no {base}{_DETAILS} beside the file")
    )
    return [
        _run(tuple(there.values()), stage, sums, rows, requests if stage == "total" else [], why) for stage in stages
    ]


def _inner_keys(sums: Mapping[str, Any]) -> list[str]:
    return [str(stage) for value in sums.values() if isinstance(value, Mapping) for stage in value]


def _run(
    files: tuple[Path, ...],
    stage: str,
    sums: Mapping[str, Any],
    rows: Sequence[Mapping[str, str]],
    requests: Sequence[Request],
    why: str,
) -> Run:
    own = {row["Performance Parameters"]: row for row in rows if row["Stage"] == stage}
    told = {key: value.get(stage) for key, value in sums.items() if isinstance(value, Mapping)}
    means = () if requests else _means(own)
    if not requests and not means:
        why += ", and output lengths differ or are not told"
    duration = _value(told.get("Benchmark Duration"))
    return Run(
        tool=TOOL,
        version=None,
        files=files,
        name="" if stage == "total" else stage,
        printed=tuple(_printed(own, told)),
        requests=tuple(requests) or means,
        means=bool(means),
        duration_s=None if duration is None else duration / 1e3,
        totals=Totals(
            count(told.get("Success Requests")),
            count(told.get("Failed Requests")),
            count(told.get("Total Input Tokens")),
            count(told.get("Total Generated Tokens", told.get("Total Output Tokens"))),
        ),
        lacks=why,
    )


def _value(found: Any) -> float | None:
    """A number with its unit; latencies in ms."""
    if isinstance(found, str) and (match := _NUMBER.match(found)):
        return float(match[1]) * _MS.get(match[2] or "", 1.0)
    return number(found)


def _printed(own: Mapping[str, Mapping[str, str]], told: Mapping[str, Any]) -> list[Printed]:
    found: list[Printed] = []
    duration = _value(told.get("Benchmark Duration"))
    if duration is not None:
        found += figure("Benchmark Duration", "duration", duration / 1e3, "end", rounding=_LAST_DIGIT)
    for name, metric, definition in _RATES:
        found += figure(name, metric, _value(told.get(name)), definition, rounding=_LAST_DIGIT)
    for name, definition in _LATENCIES.items():
        for theirs, statistic in _STATISTICS.items():
            value = _value(own.get(name, {}).get(theirs))
            key = f"{statistic}_{name.lower()}"
            # Rounded to four digits in seconds before the change to milliseconds.
            found += figure(f"{name} {theirs}", key, value, definition, rounding=0.05)
    return found


def _means(own: Mapping[str, Mapping[str, str]]) -> tuple[Request, ...]:
    """One request with the means of all, where all outputs have one length."""
    lengths = [_value(own.get("OutputTokens", {}).get(key)) for key in ("Min", "Max")]
    first, whole = (_value(own.get(name, {}).get("Average")) for name in ("TTFT", "E2EL"))
    if lengths[0] is None or lengths[0] != lengths[1] or first is None or whole is None:
        return ()
    return (Request(None, None, None, int(lengths[0]), end_s=whole / 1e3, first_chunk_s=first / 1e3),)


def _requests(path: Path) -> tuple[list[Request], str]:
    """The requests of a details file, or none and the reason."""
    records = lines(path)
    arrays: dict[str, dict[int, Any]] = {}
    found: list[Request] = []
    for one in records:
        if not one.get("success"):
            found.append(Request(None, None, None, None, failed=True))
            continue
        name = str(one.get("db_name"))
        database = path.parent / "db_data" / Path(name).name
        if name not in arrays:
            if not database.is_file():
                return [], f"{path.name} refers to db_data/{Path(name).name}, which is not there"
            arrays[name] = _arrays(database)
        reference = one.get("time_points")
        points = arrays[name].get(int(reference.get("__db_ref__", -1))) if isinstance(reference, Mapping) else None
        if points is None or points.size < 2:
            found.append(Request(None, None, None, None, failed=True))
            continue
        found.append(_request([float(point) for point in points], one))
    return found, ""


def _arrays(path: Path) -> dict[int, Any]:
    """Arrays of a database by row; nothing pickled is opened.

    Raises:
        UserError: it is no database of this tool.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT id, arr_blob FROM numpy_store").fetchall()
        return {int(row): np.load(io.BytesIO(blob), allow_pickle=False) for row, blob in rows}
    except (sqlite3.Error, ValueError, EOFError) as error:
        raise UserError(f"{path}: found no database of AISBench ({error}), allowed one with numpy_store") from None


def _request(points: list[float], one: Mapping[str, Any]) -> Request:
    """The first point is the sending, the others are chunks: a role and a usage chunk hold no token."""
    sent, chunks = points[0], points[1:]
    outputs = count(one.get("output_tokens")) or None
    extra = len(chunks) - outputs if outputs is not None else 0
    tokens = {1: chunks[:-1], 2: chunks[1:-1]}.get(extra, chunks)
    return Request(
        sent_s=sent,
        ttft_s=tokens[0] - sent,
        e2el_s=tokens[-1] - sent,
        output_tokens=outputs,
        input_tokens=count(one.get("input_tokens")) or None,
        end_s=chunks[-1] - sent,
        gaps_s=tuple(b - a for a, b in zip(tokens, tokens[1:], strict=False)),
        chunk_gaps_s=tuple(b - a for a, b in zip(chunks, chunks[1:], strict=False)),
        first_chunk_s=chunks[0] - sent,
    )
