"""Result files of vllm bench serve, GuideLLM and AIPerf over simulated requests, in each tool's format and arithmetic.

Formats and arithmetic were read in the tools' sources: vLLM 0.32 (benchmarks/serve.py), GuideLLM 0.8.1
(benchmark/schemas/metrics.py, schemas/base/request_stats.py, statistics.py), AIPerf 0.13.0 (metrics/types, exporters).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from client_requests import Sent, nearest, summary


def vllm(folder: Path, sent: Sequence[Sent], *, detailed: bool = True) -> Path:
    """`vllm bench serve --save-result`."""
    duration = max(one.sent + one.e2el for one in sent) + 0.01
    tokens, inputs = sum(one.outputs for one in sent), sum(one.inputs for one in sent)
    body: dict[str, Any] = {
        "date": "20261125-120000", "endpoint_type": "vllm", "model_id": "demo", "num_prompts": len(sent),
        "request_rate": "inf", "max_concurrency": 4, "duration": duration, "completed": len(sent), "failed": 0,
        "total_input_tokens": inputs, "total_output_tokens": tokens, "request_throughput": len(sent) / duration,
        "request_goodput": None, "output_throughput": tokens / duration,
        "total_token_throughput": (inputs + tokens) / duration,
    }  # fmt: skip
    values = {
        "ttft": [one.ttft for one in sent],
        "tpot": [one.tpot for one in sent],
        "itl": [gap for one in sent for gap in one.gaps],
        "e2el": [one.e2el for one in sent],
    }
    for metric, found in values.items():
        body |= {f"{name}_{metric}_ms": 1e3 * value for name, value in summary(found).items()}
    if detailed:
        body |= {
            "input_lens": [one.inputs for one in sent],
            "output_lens": [one.outputs for one in sent],
            "ttfts": [one.ttft for one in sent],
            "itls": [list(one.gaps) for one in sent],
            "latencies": [one.e2el for one in sent],
            "start_times": [1000.0 + one.sent for one in sent],
            "errors": [""] * len(sent),
        }
    path = folder / "vllm.json"
    path.write_text(json.dumps(body))
    return path


def _distribution(values: list[float], weights: list[float]) -> dict[str, Any]:
    points = {f"p{share}": nearest(values, share / 100, weights) for share in (90, 99)}
    mean = float(np.average(values, weights=weights))
    return {"mean": mean, "median": nearest(values, 0.5, weights), "percentiles": points, "count": len(values),
            "min": min(values), "max": max(values), "total_sum": mean * sum(weights)}  # fmt: skip


def guidellm(folder: Path, sent: Sequence[Sent]) -> Path:
    """GuideLLM's benchmarks.json."""
    begin, ahead = 1.7e9, 0.004  # the scheduler begins before the first request is sent
    duration = max(one.sent + one.end for one in sent) + ahead
    requests = [
        {
            "request_id": str(index), "type_": "generative_request_stats", "prompt_tokens": one.inputs,
            "output_tokens": one.outputs, "request_latency": one.end,
            "info": {"status": "completed", "timings": {
                "targeted_start": None, "request_start": begin + one.sent, "request_end": begin + one.sent + one.end,
                "first_token_iteration": begin + one.sent + one.ttft,
                "last_token_iteration": begin + one.sent + one.e2el, "token_iterations": one.outputs,
            }},
        }
        for index, one in enumerate(sent)
    ]  # fmt: skip
    ones = [1.0] * len(sent)
    tokens = [float(one.outputs) for one in sent]

    metrics = {
        "time_to_first_token_ms": _distribution([1e3 * one.ttft for one in sent], ones),
        "inter_token_latency_ms": _distribution([1e3 * one.tpot for one in sent], [t - 1 for t in tokens]),
        "time_per_output_token_ms": _distribution([1e3 * one.e2el / one.outputs for one in sent], tokens),
        "request_latency": _distribution([one.end for one in sent], ones),
        "prompt_token_count": _distribution([float(one.inputs) for one in sent], ones),
        "output_token_count": _distribution(tokens, ones),
        "requests_per_second": {"mean": len(sent) / duration},
        "output_tokens_per_second": {"mean": sum(tokens) / duration},
        "tokens_per_second": {"mean": (sum(tokens) + sum(one.inputs for one in sent)) / duration},
    }
    body = {
        "metadata": {"version": 2, "guidellm_version": "0.8.1"},
        "benchmarks": [
            {
                "type_": "generative_benchmark", "start_time": begin - ahead, "end_time": begin - ahead + duration,
                "duration": duration, "warmup_duration": 0.0, "cooldown_duration": 0.0,
                "config": {"strategy": {"type_": "concurrent", "streams": 4}},
                "metrics": {"request_totals": {"successful": len(sent), "errored": 0, "total": len(sent)}}
                | {key: {"successful": value} for key, value in metrics.items()},
                "requests": {"successful": requests, "incomplete": [], "errored": []},
            }
        ],
    }  # fmt: skip
    path = folder / "benchmarks.json"
    path.write_text(json.dumps(body))
    return path


def aiperf(folder: Path, sent: Sequence[Sent], *, records: bool = True) -> Path:
    """AIPerf's profile_export_aiperf.json with profile_export.jsonl beside it."""
    duration = max(one.sent + one.e2el for one in sent)
    phase = duration + 0.0204327  # as in a file of 0.13.0, whose rates are over its profiling phase
    start = datetime(2026, 11, 26, 4, 21, 41, 19548)
    tokens, inputs = sum(one.outputs for one in sent), sum(one.inputs for one in sent)

    def metric(unit: str, values: list[float]) -> dict[str, Any]:
        found = summary(values)
        theirs = {"avg": found["mean"], "p50": found["median"], "std": found["std"], "p90": found["p90"]}
        more = {"p99": found["p99"], "min": min(values), "max": max(values), "count": len(values), "sum": sum(values)}
        return {"unit": unit} | theirs | more

    body: dict[str, Any] = {
        "schema_version": "1.1", "aiperf_version": "0.13.0",
        "time_to_first_token": metric("ms", [1e3 * one.ttft for one in sent]),
        "inter_token_latency": metric("ms", [1e3 * one.tpot for one in sent]),
        "inter_chunk_latency": metric("ms", [1e3 * gap for one in sent for gap in one.gaps]),
        "request_latency": metric("ms", [1e3 * one.e2el for one in sent]),
        "input_sequence_length": metric("tokens", [float(one.inputs) for one in sent]),
        "output_sequence_length": metric("tokens", [float(one.outputs) for one in sent]),
        "request_count": {"unit": "requests", "avg": float(len(sent))},
        "benchmark_duration": {"unit": "sec", "avg": duration},
        "start_time": start.isoformat(), "end_time": (start + timedelta(seconds=phase)).isoformat(),
        "request_throughput": {"unit": "requests/sec", "avg": len(sent) / phase},
        "output_token_throughput": {"unit": "tokens/sec", "avg": tokens / phase},
        "total_token_throughput": {"unit": "tokens/sec", "avg": (tokens + inputs) / phase},
    }  # fmt: skip
    path = folder / "profile_export_aiperf.json"
    path.write_text(json.dumps(body))
    if records:
        lines = [json.dumps(_aiperf_record(one)) for one in sent]
        (folder / "profile_export.jsonl").write_text("\n".join(lines) + "\n")
    return path


def _aiperf_record(one: Sent) -> dict[str, Any]:
    start = 1_700_000_000_000_000_000 + round(1e9 * one.sent)
    values: dict[str, tuple[Any, str]] = {
        "time_to_first_token": (1e3 * one.ttft, "ms"),
        "inter_token_latency": (1e3 * one.tpot, "ms"),
        "inter_chunk_latency": ([1e3 * gap for gap in one.gaps], "ms"),
        "request_latency": (1e3 * one.e2el, "ms"),
        "input_sequence_length": (one.inputs, "tokens"),
        "output_sequence_length": (one.outputs, "tokens"),
    }
    return {
        "metadata": {
            "session_num": 0, "request_start_ns": start, "request_end_ns": start + round(1e9 * one.end),
            "worker_id": "w", "record_processor_id": "p", "benchmark_phase": "profiling",
            "credit_issued_ns": start - 1_000_000,
        },
        "metrics": {key: {"value": value, "unit": unit} for key, (value, unit) in values.items()},
        "error": None,
    }  # fmt: skip
