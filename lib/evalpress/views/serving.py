"""The serving section's tables."""

from __future__ import annotations

from typing import Any

from evalpress.results import Document
from evalpress.tables import Code, Column, Prose, Quantity, Table, fmt, output, pick, snippet


def server(document: Document) -> Table:
    """Which server was asked and when it was ready."""
    data = document["data"]
    rows: list[list[Any]] = [
        ["mode", data["mode"]],
        ["start to first answer of the health check, s", pick(data, "ready_s")],
        ["model name served", Code(data["model"])],
        ["client", data["client"]],
    ]
    return Table("The server", ["", "found"], rows)


def asked(document: Document) -> Table:
    """The two single requests: the run book's curl and a streaming client."""
    data = document["data"]
    curl, stream = data["curl"], data["stream"]
    curl_output = output(curl["output"]) if curl["output"] is not None else pick(curl, "output")
    rows: list[list[Any]] = [
        ["curl, as in the run book", curl_output, curl.get("finish_reason", "–"), "–", "–"],
        [
            "streaming client",
            output(stream["output"]),
            stream["finish_reason"] or "–",
            Quantity(stream["ttft_ms"], "ms"),
            Quantity(stream["e2el_ms"], "ms"),
        ],
    ]
    heads: list[Column | str] = ["request", Column("output", wide=True), "finish reason", "TTFT", "E2EL"]
    return Table("Single requests", heads, rows, note=("Prompt: ", Code(stream["prompt"])))


def curl(document: Document) -> Prose:
    """The curl command that was executed."""
    return snippet(document["data"]["curl"]["command"], "bash")


def levels(document: Document) -> Table:
    """The load curve, under the keys of vllm bench serve."""
    columns: dict[str, Column | str] = {
        "concurrency": "concurrency",
        "completed": "completed",
        "failed": "failed",
        "output_throughput": Column("output", "tok/s"),
        "request_throughput": Column("requests", "req/s"),
        "mean_ttft_ms": Column("mean TTFT", "ms"),
        "p99_ttft_ms": Column("p99 TTFT", "ms"),
        "mean_tpot_ms": Column("mean TPOT", "ms"),
        "p99_tpot_ms": Column("p99 TPOT", "ms"),
        "mean_e2el_ms": Column("mean E2EL", "ms"),
        "client_cpu_share": Column("client CPU", "share"),
    }
    records = document["data"]["levels"]
    shape = f"{fmt(records[0]['input_len'])} input and {fmt(records[0]['output_len'])} output tokens per request"
    note = (
        f"{shape}. Measured by vLLM's own benchmark client (vllm bench serve) in a closed loop; client CPU is the "
        "client's share of one core."
    )
    return Table.from_records("Load", columns, records, note=note)
