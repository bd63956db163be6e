"""The benchmark section's tables of how speed changes with batch size, prompt length and output length."""

from __future__ import annotations

from collections.abc import Sequence

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import Cell, Column, Table, fmt, number, pick
from evalpress.sections.benchmark.results import OutputLine, Results

__dir__ = own_functions(__name__)


def batch_scaling(document: Document[Results]) -> Table:
    """Output throughput and TPOT against batch size."""
    columns: dict[str, Column | str] = {
        "batch_size": "requests at once",
        "mode": "mode",
        "output_throughput": Column("output", "tok/s"),
        "of_runs": Column("of single runs", "tok/s"),
        "steadiness": "steadiness",
        "decode_throughput": Column("decode", "tok/s"),
        "bandwidth_bound_tok_s": Column("bandwidth bound", "tok/s"),
        "mean_tpot_ms": Column("mean TPOT", "ms"),
        "mean_ttft_ms": Column("mean TTFT", "ms"),
        "runs": "runs",
    }
    rows = document.data.scaling.batch
    if not any(row.output_throughput_of_runs for row in rows):
        del columns["of_runs"], columns["steadiness"]
    records = [({"of_runs": _spread(row.output_throughput_of_runs)}, row) for row in rows]
    scaling = document.params["benchmark"]["scaling"] or {}
    note = f"{scaling.get('batch_input_len')} input and {scaling.get('batch_output_len')} output tokens per request."
    return Table.from_records("Batch size", columns, records, note=note)


def _spread(runs: Sequence[float]) -> str:
    """The slowest and the fastest run, of two or more."""
    return f"{number(min(runs))} to {number(max(runs))}" if len(runs) > 1 else "–"


def prompt_scaling(document: Document[Results]) -> Table:
    """TTFT of one request against prompt length."""
    columns: dict[str, Column | str] = {
        "prompt_len": "prompt tokens",
        "mode": "mode",
        "mean_ttft_ms": Column("mean TTFT", "ms"),
        "min_ttft_ms": Column("min", "ms"),
        "max_ttft_ms": Column("max", "ms"),
        "steadiness": "steadiness",
        "arithmetic_bound_ms": Column("arithmetic bound", "ms"),
        "runs": "runs",
    }
    if all(row.steadiness == "not recorded" for row in document.data.scaling.prompt):
        del columns["steadiness"]
    return Table.from_records("Prompt length", columns, document.data.scaling.prompt)


def output_scaling(document: Document[Results]) -> Table:
    """The line through end-to-end latency against output length: cost per token, and the constant part per request."""
    columns: dict[str, Column | str] = {
        "mode": "mode",
        "ms_per_token": Column("per output token", "ms"),
        "interval": "95 % interval",
        "intercept_ms": Column("constant part (intercept)", "ms"),
        "r_squared": Column("R²", "share"),
        "requests": "requests",
    }
    records = [
        ({"mode": mode, "interval": _interval(found)}, found) for mode, found in document.data.scaling.output.items()
    ]
    note = (
        "Weighted least squares over the requests of the workloads with one request at a time: the spread grows with "
        "the length, so the weight of a request is the reciprocal of its squared length. The interval is over the "
        "slopes of single blocks. A negative intercept means that later tokens take longer than early ones, or that "
        "noise is larger than the constant part."
    )
    return Table.from_records("Output length", columns, records, note=note)


def _interval(found: OutputLine) -> Cell:
    low, high = found.ms_per_token_low, found.ms_per_token_high
    return pick(found, "ms_per_token_low") if low is None or high is None else f"{fmt(low)} to {fmt(high)} ms"
