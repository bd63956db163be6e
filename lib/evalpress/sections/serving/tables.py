"""The serving section's tables."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.display.tables import Badge, Code, Column, Missing, Prose, Quantity, Table, fmt, output, pick, snippet

_STARTED = {
    "beside other sections": "beside other sections, so later than alone",
    "with the other server": "together with the other server, so later than alone",
}
_FORKED = (
    " The servers are the run book's module and arguments, forked from a process of this report that had imported "
    "vLLM: the run book's command takes longer by that import, in its own process and in the engine core's. "
    "Forked processes run with KMP_AFFINITY=none, since Intel's OpenMP would bind them all to one core. "
    "A set with fork: false under serving has them started by the command itself."
)


def server(document: Document) -> Table:
    """Which servers were asked and when they were ready."""
    data = document["data"]
    rows = [
        [mode, Code(found["model"]), pick(found, "ready_s"), _started(found)] for mode, found in data["servers"].items()
    ]
    forked = any(found["forked"] for found in data["servers"].values())
    heads: list[Column | str] = ["server", "model name served", Column("ready after", "s"), "started"]
    note = "Ready: from the start of the process to the first answer of the health check."
    return Table("The servers", heads, rows, note=note + (_FORKED if forked else ""))


def _started(found: dict[str, Any]) -> str:
    return ("forked, " if found["forked"] else "") + _STARTED.get(found["started"], found["started"])


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
    note = ("Prompt: ", Code(stream["prompt"]), f" · server: {stream['mode']}")
    return Table("Single requests", heads, rows, note=note)


def curl(document: Document) -> Prose:
    """The curl command that was executed."""
    return snippet(document["data"]["curl"]["command"], "bash")


_POINT: dict[str, Column | str] = {
    "duration": Column("duration", "s"),
    "completed": "completed",
    "failed": "failed",
    "output_throughput": Column("output", "tok/s"),
    "request_throughput": Column("requests", "req/s"),
    "request_goodput": Column("goodput", "req/s"),
    "slo_attainment": Column("SLO attainment", "share"),
    "mean_ttft_ms": Column("mean TTFT", "ms"),
    "p99_ttft_ms": Column("p99 TTFT", "ms"),
    "mean_tpot_ms": Column("mean TPOT", "ms"),
    "p99_tpot_ms": Column("p99 TPOT", "ms"),
    "mean_e2el_ms": Column("mean E2EL", "ms"),
    "p99_e2el_ms": Column("p99 E2EL", "ms"),
    "client_cpu_share": Column("client CPU", "share"),
    "bottleneck": "",
}


def levels(document: Document) -> Table:
    """Closed loops: a fixed number of requests in flight, under the keys of vllm bench serve."""
    columns: dict[str, Column | str] = {"concurrency": Column("requests in flight"), "mode": "server"}
    note = (
        f"{_shape(document)} One run per point, so no interval: points of a short duration move from run to run. The "
        f"first requests of a level start together, and TTFT and its p99 hold that burst. {_client(document)}"
    )
    return Table.from_records("Closed loop", columns | _POINT, _ordered(document, "levels"), note=note)


def rates(document: Document) -> Table:
    """Poisson arrivals at shares of the saturated request throughput."""
    columns: dict[str, Column | str] = {
        "share_of_saturation": Column("of saturation", "share"),
        "mode": "server",
        "request_rate": Column("offered", "req/s"),
        "arrivals_s": Column("arrivals", "s"),
        "answered_by_last_arrival": Column("answered by the last arrival", "share"),
    }
    note = (
        "Requests arrive at random (Poisson), whether or not earlier ones are done. Rates count until the last answer, "
        "as in vllm bench serve, so they stay below the offered rate by that tail even where the server keeps up; SLO "
        "attainment has no tail. Where much is unanswered when the arrivals end, a point shows how the load builds up "
        f"and not yet a steady state: serving.rate_seconds makes it longer. {_slo(document)}"
    )
    return Table.from_records("Open loop", columns | _POINT, _ordered(document, "rates"), note=note)


def _ordered(document: Document, kind: str) -> list[dict[str, Any]]:
    """The points of one kind in the order of their load, in which they were not measured: the servers took turns.

    Each has the words for one at which the client was the bottleneck.
    """
    servers = list(document["data"]["servers"])
    load = "concurrency" if kind == "levels" else "share_of_saturation"
    points = sorted(document["data"][kind], key=lambda p: (p[load], servers.index(p["mode"])))
    return [p | {"bottleneck": "client is the bottleneck: not used" if p["client_bound"] else "–"} for p in points]


def _shape(document: Document) -> str:
    first = document["data"]["levels"][0]
    return f"About {fmt(first['input_len'])} input and {fmt(first['output_len'])} output tokens per request."


def _client(document: Document) -> str:
    data = document["data"]
    return (
        f"Measured by {data['client']} (vllm bench serve). Client CPU is the client's share of one core; client and "
        f"servers share this host's {data['cores']} cores. {_slo(document)}"
    )


def _slo(document: Document) -> str:
    limits = " and ".join(f"{name.upper()} ≤ {fmt(limit)} ms" for name, limit in document["data"]["slo_ms"].items())
    if not limits:
        return "The set gives no SLO."
    return f"Goodput: completed requests per second that keep {limits}; SLO attainment: their share of all sent."


def saturation(document: Document) -> Prose:
    """The highest throughput of each server, in a sentence."""
    sentences = []
    for mode, found in document["data"]["saturation"].items():
        reached = found["reached_why"] if found["reached"] else "not saturated yet at the highest level"
        sentences.append(
            f"**{mode}**: at most {fmt(found['output_throughput'], 'tok/s')} and "
            f"{fmt(found['request_throughput'], 'req/s')}, with {found['concurrency']} requests at a time; {reached}."
        )
    return Prose(" ".join(sentences))


def http_cost(document: Document) -> Table:
    """The same requests one at a time, over HTTP and in this process."""
    data = document["data"]
    title = "What HTTP costs, one request at a time"
    if not data["http_cost"]:
        return Table(title, ["", ""], [["not measured", Missing(data["http_cost_why"])]])
    names = {"mean_ttft_ms": "mean TTFT", "mean_tpot_ms": "mean TPOT", "mean_e2el_ms": "mean E2EL"}
    rows = [
        [
            row["mode"],
            name,
            Quantity(row["served"][key], "ms"),
            Quantity(row["in_process"][key], "ms"),
            Quantity(row[f"added_{key.removeprefix('mean_')}"], "ms"),
            _between(row, f"added_{key.removeprefix('mean_')}"),
            _between_medians(row, f"added_{key.removeprefix('mean_')}_median"),
        ]
        for row in data["http_cost"]
        for key, name in names.items()
    ]
    heads: list[Column | str] = ["mode", "metric", "over HTTP", "in this process", "difference", "95 % interval"]
    heads.append("difference of medians")
    note = (
        "The difference holds the HTTP server, its hand-over to the engine's process, streaming and the client. "
        "The in-process engine is another process with the same settings. Interval: Welch's, over requests; one that "
        "contains 0 shows no difference. The medians forgive a single late answer, the means do not."
    )
    return Table(title, heads, rows, note=note)


def _between_medians(row: dict[str, Any], key: str) -> Quantity | Missing:
    found = pick(row, key)
    return found if isinstance(found, Missing) else Quantity(found, "ms")


def _between(row: dict[str, Any], key: str) -> str | Missing:
    low = pick(row, f"{key}_low")
    return low if isinstance(low, Missing) else f"{fmt(low)} to {fmt(row[f'{key}_high'])} ms"


def identities(document: Document) -> Table:
    """The identities that the points were checked against."""
    rows = [[i["statement"], Badge("ok"), i["found"]] for i in document["data"]["identities"]]
    return Table("Identities checked", ["identity", "holds", "found"], rows)
