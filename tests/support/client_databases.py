"""Result files of EvalScope and AISBench over simulated requests, in each tool's format and by its own arithmetic.

Formats and arithmetic were read in the tools' sources: EvalScope 1.14.1 (perf/utils/benchmark_util.py, db_util.py),
ais-bench-benchmark 3.1 (calculators, summarizers/default_perf.py).
"""

from __future__ import annotations

import io
import json
import math
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from client_requests import USAGE_S, Sent


def evalscope(folder: Path, sent: Sequence[Sent], *, database: bool = True) -> Path:
    """EvalScope's benchmark_summary.json, benchmark_percentile.json and benchmark_data.db."""
    duration = max(one.sent + one.end for one in sent)
    tokens, inputs = sum(one.outputs for one in sent), sum(one.inputs for one in sent)
    tpots = [(one.end - one.ttft) / (one.outputs - 1) for one in sent]
    gaps = [gap for one in sent for gap in one.gaps]
    summary = {
        "Test Duration (s)": round(duration, 4), "Concurrency": 4, "Request Rate (req/s)": -1,
        "Total Requests": len(sent), "Success Requests": len(sent), "Failed Requests": 0,
        "Req Throughput (req/s)": round(len(sent) / duration, 4),
        "Avg Latency (s)": round(float(np.mean([one.end for one in sent])), 4),
        "Avg Input Tokens": round(inputs / len(sent), 4), "Output Throughput (tok/s)": round(tokens / duration, 4),
        "Total Throughput (tok/s)": round((tokens + inputs) / duration, 4),
        "Avg TTFT (ms)": round(1e3 * float(np.mean([one.ttft for one in sent])), 2),
        "Avg TPOT (ms)": round(1e3 * float(np.mean(tpots)), 2), "Avg ITL (ms)": round(1e3 * float(np.mean(gaps)), 2),
        "Avg Output Tokens": round(tokens / len(sent), 4),
    }  # fmt: skip
    columns = {
        "TTFT (ms)": [1e3 * one.ttft for one in sent],
        "ITL (ms)": [1e3 * gap for gap in gaps],
        "TPOT (ms)": [1e3 * value for value in tpots],
        "Latency (s)": [one.end for one in sent],
        "Output tokens": [float(one.outputs) for one in sent],
    }
    rows = [
        {"Percentiles": f"{share}%"} | {key: round(_rank(values, share), 4) for key, values in columns.items()}
        for share in (1, 50, 90, 99)
    ]
    (folder / "benchmark_percentile.json").write_text(json.dumps(rows))
    path = folder / "benchmark_summary.json"
    path.write_text(json.dumps(summary))
    if database:
        with sqlite3.connect(folder / "benchmark_data.db") as db:
            db.execute(
                "CREATE TABLE result(request TEXT, start_time REAL, inter_token_latencies TEXT, success INTEGER, "
                "response_messages TEXT, completed_time REAL, latency REAL, first_chunk_latency REAL, "
                "prompt_tokens INTEGER, completion_tokens INTEGER, max_gpu_memory_cost REAL, "
                "time_per_output_token REAL, request_id TEXT, is_stream INTEGER)"
            )
            for one, tpot in zip(sent, tpots, strict=True):
                db.execute(
                    "INSERT INTO result VALUES (?, ?, ?, 1, 'pickled', ?, ?, ?, ?, ?, 0, ?, NULL, 1)",
                    ("{}", 50 + one.sent, json.dumps(one.gaps), 50 + one.sent + one.end, one.end, one.ttft, one.inputs,
                     one.outputs, tpot),
                )  # fmt: skip
    return path


def _rank(values: Sequence[float], share: int) -> float:
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def aisbench(folder: Path, sent: Sequence[Sent], *, details: bool = True) -> Path:
    """AISBench's demo.csv, demo.json and demo_details.jsonl with its database; a completion stream, no role chunk."""
    duration = max(one.sent + one.end for one in sent) - min(one.sent for one in sent)
    tokens, inputs = sum(one.outputs for one in sent), sum(one.inputs for one in sent)
    gaps = [[*one.gaps, USAGE_S] for one in sent]
    metrics: dict[str, tuple[str, Sequence[float]]] = {
        "E2EL": (" ms", [one.end for one in sent]),
        "TTFT": (" ms", [one.ttft for one in sent]),
        "TPOT": (" ms", [(one.end - one.ttft) / (one.outputs - 1) for one in sent]),
        "ITL": (" ms", [gap for each in gaps for gap in each]),
        "InputTokens": ("", [float(one.inputs) for one in sent]),
        "OutputTokens": ("", [float(one.outputs) for one in sent]),
    }
    names: dict[str, Callable[[Any], Any]] = {
        "Average": np.mean, "Min": np.min, "Max": np.max, "Median": np.median,
        "P75": lambda v: np.percentile(v, 75), "P90": lambda v: np.percentile(v, 90),
        "P99": lambda v: np.percentile(v, 99),
    }  # fmt: skip
    lines = ["Performance Parameters,Stage," + ",".join(names) + ",N"]
    for name, (unit, values) in metrics.items():
        told = [round(float(function(values)), 4) for function in names.values()]
        shown = [f"{round(1e3 * value, 4)}{unit}" if unit else str(value) for value in told]
        lines.append(f"{name},total," + ",".join(shown) + f",{len(sent)}")
    path = folder / "demo.csv"
    path.write_text("\n".join(lines) + "\n")
    common = {
        "Benchmark Duration": f"{round(1e3 * duration, 4)} ms", "Total Requests": len(sent), "Failed Requests": 0,
        "Success Requests": len(sent), "Concurrency": 4.0, "Max Concurrency": 4,
        "Request Throughput": f"{round(len(sent) / duration, 4)} req/s", "Total Input Tokens": inputs,
        "Total Generated Tokens": tokens, "Output Token Throughput": f"{round(tokens / duration, 4)} token/s",
        "Total Token Throughput": f"{round((inputs + tokens) / duration, 4)} token/s",
    }  # fmt: skip
    (folder / "demo.json").write_text(json.dumps({key: {"total": value} for key, value in common.items()}))
    if details:
        _aisbench_details(folder, sent)
    return path


def _aisbench_details(folder: Path, sent: Sequence[Sent]) -> None:
    (folder / "db_data").mkdir()
    lines = []
    with sqlite3.connect(folder / "db_data" / "one.db") as db:
        db.execute("CREATE TABLE numpy_store (id INTEGER PRIMARY KEY AUTOINCREMENT, arr_blob BLOB NOT NULL)")
        for index, one in enumerate(sent):
            stamps = np.cumsum([one.sent, one.ttft, *one.gaps, USAGE_S])
            blob = io.BytesIO()
            np.save(blob, stamps, allow_pickle=False)
            row = db.execute("INSERT INTO numpy_store (arr_blob) VALUES (?)", (blob.getvalue(),)).lastrowid
            lines.append(
                {"id": index, "success": True, "time_points": {"__db_ref__": row}, "db_name": "one.db",
                 "input_tokens": one.inputs, "output_tokens": one.outputs, "input": "…", "prediction": "…"}
            )  # fmt: skip
    (folder / "demo_details.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
