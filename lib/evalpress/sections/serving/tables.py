"""The serving section's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import (
    Badge,
    Cell,
    Code,
    Column,
    Missing,
    Prose,
    Quantity,
    Table,
    fmt,
    output,
    pick,
    snippet,
)
from evalpress.sections import energy_table
from evalpress.sections.serving.points import Bounds, Level, Point, Rate
from evalpress.sections.serving.results import HttpCost, Results

__dir__ = own_functions(__name__)

_STARTED = {
    "beside other sections": "while other sections ran, so slower than alone",
    "with the other server": "together with the other server, so slower than alone",
}
_LATENCY = {"ttft": "TTFT", "tpot": "TPOT", "e2el": "E2EL"}
Columns = dict[str, Column | str]


def server(document: Document[Results]) -> Table:
    """Which servers were measured and when they were ready."""
    rows = [
        [mode, Code(found.model), pick(found, "ready_s"), _STARTED.get(found.started, found.started)]
        for mode, found in document.data.servers.items()
    ]
    heads: list[Column | str] = ["server", "model name served", Column("ready after", "s"), "started"]
    note = (
        "Each is started by the run book's command, on a free port of its own where the set names none. "
        "Ready: from the start of the process to the first answer of the health check."
    )
    return Table("The servers", heads, rows, note=note)


def asked(document: Document[Results]) -> Table:
    """The two single requests: the run book's curl and a streaming client."""
    curl, stream = document.data.curl, document.data.stream
    curl_output = output(curl.output) if curl.output is not None else Missing(curl.output_why or "")
    rows: list[list[Any]] = [
        ["curl, as in the run book", curl_output, curl.finish_reason or "–", "–", "–"],
        [
            "streaming client",
            output(stream.output),
            stream.finish_reason or "–",
            Quantity(stream.ttft_ms, "ms"),
            Quantity(stream.e2el_ms, "ms"),
        ],
    ]
    heads: list[Column | str] = ["request", Column("output", wide=True), "finish reason", "TTFT", "E2EL"]
    note = ("Prompt: ", Code(stream.prompt), f" · server: {stream.mode}")
    return Table("Single requests", heads, rows, note=note)


def curl(document: Document[Results]) -> Prose:
    """The curl command that was executed."""
    return snippet(document.data.curl.command, "bash")


_POINT: Columns = {
    "duration": Column("window", "s"),
    "window_requests": "requests",
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
    "remark": "",
}
"""Columns of a point by key of its results; `point.figures` makes every value from the requests of the windows."""


def levels(document: Document[Results]) -> Table:
    """Closed loops: a fixed number of requests in flight."""
    columns: Columns = {"concurrency": Column("requests in flight"), "mode": "server"}
    data = document.data
    first = data.levels[0]
    sizes = f"About {fmt(first.input_len)} input and {fmt(first.output_len)} output tokens per request."
    note = " ".join((sizes, _counted(data, "levels"), _client(data)))
    return Table.from_records("Closed loop", columns | _POINT, _records(data, data.levels), note=note)


def rates(document: Document[Results]) -> Table:
    """Poisson arrivals at shares of the saturated request throughput."""
    columns: Columns = {
        "share_of_saturation": Column("of saturation", "share"),
        "mode": "server",
        "request_rate": Column("offered", "req/s"),
        "arrivals_s": Column("arrivals", "s"),
        "late_ms": Column("sent late, p99", "ms"),
    }
    data = document.data
    note = (
        "Requests arrive at random (Poisson), whether or not earlier ones are finished. "
        f"{_counted(data, 'rates')} serving.rate_seconds makes the arrivals longer. {slo_words(data)}"
    )
    return Table.from_records("Open loop", columns | _POINT, _records(data, data.rates), note=note)


def intervals(document: Document[Results]) -> Table | Prose:
    """95 % intervals of the points' figures."""
    data = document.data
    rows = [
        [point.mode, point.load_words, *(_mean_bounds(point, key) for key in ("output_throughput", "mean_ttft_ms")),
         *(_percentile_bounds(point, f"{statistic}_ttft_ms") for statistic in ("median", "p90", "p99"))]
        for point in _ordered(data, [*data.levels, *data.rates])
    ]  # fmt: skip
    if reasons := _reasons_alone([cell for row in rows for cell in row[2:]]):
        return Prose(f"95 % intervals: none. {'; '.join(reasons)}.")
    heads: list[Column | str] = ["server", "load", "output, tok/s", "mean TTFT, ms"]
    heads += [f"{statistic} TTFT, ms" for statistic in ("median", "p90", "p99")]
    note = (
        "Of throughput and means: Student's t over the repeats, three or more. Of percentiles: order statistics over "
        "requests; their effective number is reduced by the correlation of neighbouring requests; too few give "
        "one bound only."
    )
    return Table("95 % intervals", heads, rows, note=note)


def _reasons_alone(cells: Sequence[Cell]) -> list[str]:
    """Why there is no value in any of these cells, the most frequent reasons first; empty where there is one."""
    if not all(isinstance(cell, Missing) for cell in cells):
        return []
    counted = Counter(cell.why for cell in cells if isinstance(cell, Missing))
    return [why for why, _ in counted.most_common(_REASONS)]


_REASONS = 2
"""Reasons that are named where no point has an interval."""


def _mean_bounds(point: Point, key: str) -> Cell:
    if point.intervals is None:
        return Missing(point.intervals_why or "")
    bounds = point.intervals.get(key)
    return _between(bounds) if bounds else Missing("not known for every repeat")


def _percentile_bounds(point: Point, key: str) -> Cell:
    bounds = point.percentile_intervals.get(key)
    return _between(bounds) if bounds else Missing(getattr(point, f"{key}_why") or "not recorded")


def _between(bounds: Bounds) -> Cell:
    if bounds.low is None and bounds.high is None:
        return Missing(bounds.low_why or "")
    if bounds.high is None:
        return f"at least {fmt(bounds.low)}"
    if bounds.low is None:
        return f"at most {fmt(bounds.high)}"
    return f"{fmt(bounds.low)} to {fmt(bounds.high)}"


def _ordered(data: Results, points: Sequence[Point]) -> list[Point]:
    """Points in the order of their load, the servers in one order."""
    servers = list(data.servers)
    return sorted(points, key=lambda point: (point.load_key, servers.index(point.mode)))


def _records(data: Results, points: Sequence[Level] | Sequence[Rate]) -> list[tuple[dict[str, str], Point]]:
    return [({"remark": _remark(point)}, point) for point in _ordered(data, points)]


def _remark(point: Point) -> str:
    remarks = ["client is the bottleneck: not used"] if point.client_bound else []
    remarks += [f"drifts by {point.drift:+.0%}".replace("-", "−")] if point.drifts and point.drift is not None else []
    remarks += [f"whole run: {point.not_steady_why}"] if point.not_steady_why else []
    return "; ".join(remarks) or "–"


def _counted(data: Results, kind: str) -> str:
    points: Sequence[Point] = data.levels if kind == "levels" else data.rates
    repeats = max((point.repeats for point in points), default=1)
    runs = "One run per point, so no interval" if repeats == 1 else f"{repeats} runs per point, the servers in turn"
    few = "; fewer than three give no interval over runs" if repeats == 2 else ""
    rule = data.windows.get(kind)
    window = (
        f" Only a window of each run is counted, without ramp and cool-down: {rule[0].lower()}{rule[1:]}"
        if rule
        else ""
    )
    point = "concurrency-N" if kind == "levels" else "rate-SHARE"
    return (
        f"{runs}{few}.{window} A p99 needs 100 requests in the windows. Every request: raw/serving-SERVER-{point}.json."
    )


def _client(data: Results) -> str:
    return (
        f"Measured by {data.client}. Client CPU is the client's share of one core; client and "
        f"servers share this host's {data.cores} cores. {slo_words(data)}"
    )


def slo_words(data: Results) -> str:
    limits = " and ".join(f"{name.upper()} ≤ {fmt(limit)} ms" for name, limit in data.slo_ms.items())
    if not limits:
        return "The set defines no SLO."
    return (
        f"Goodput: completed requests per second that keep {limits}; SLO attainment: the share of the window's "
        "requests that do."
    )


def energy(document: Document[Results]) -> Table:
    """Joules per output token, tokens per second and watt, utilisation and temperature of every load."""
    data = document.data
    rows = [([one.load.replace("-", " "), one.mode], one) for one in data.energy]
    return energy_table.table(["load", "server"], rows, data.energy_source, data.energy_why or "")


def http_cost(document: Document[Results]) -> Table:
    """The same requests one at a time, over HTTP and in this process."""
    data = document.data
    title = "Latency that HTTP adds, one request at a time"
    if not data.http_cost:
        return Table(title, ["", ""], [["not measured", Missing(data.http_cost_why or "")]])
    rows = [_cost(row, name) for row in data.http_cost for name in _LATENCY]
    heads: list[Column | str] = ["mode", "metric", "over HTTP", "without HTTP", "difference", "95 % interval"]
    heads.append("difference of medians")
    note = (
        "The difference includes the HTTP server, communication with the engine's process, streaming and the client. "
        "Without HTTP: an engine in another process with the same settings and prompts, beside servers that are idle "
        "then, which gets a part of the requests before and a part after every run over HTTP, so that a machine that "
        "becomes slower or faster favours neither; the benchmark has other prompts and no servers beside it, so its "
        "figures differ. Interval: Welch's, over requests; one that contains 0 shows no difference. Medians are robust "
        "to a single late answer, means are not."
    )
    return Table(title, heads, rows, note=note)


def _cost(row: HttpCost, name: str) -> list[Any]:
    key, mean = f"added_{name}_ms", f"mean_{name}_ms"
    low = pick(row, f"{key}_low")
    between = low if isinstance(low, Missing) else f"{fmt(low)} to {fmt(getattr(row, f'{key}_high'))} ms"
    return [
        row.mode,
        f"mean {_LATENCY[name]}",
        _in_ms(row.served, mean),
        _in_ms(row.in_process, mean),
        _in_ms(row, key),
        between,
        _in_ms(row, f"{key}_median"),
    ]


def _in_ms(record: Any, key: str) -> Cell:
    found = pick(record, key)
    return found if isinstance(found, Missing) else Quantity(found, "ms")


def invariants(document: Document[Results]) -> Table:
    """The invariants that the points were checked against."""
    kinds = {"ok": "ok", "broken": "fail"}
    rows = [
        [one.statement, Badge(kinds[one.status]) if one.status in kinds else "n/a", one.found]
        for one in document.data.identities
    ]
    return Table("Invariants checked", ["invariant", "holds", "found"], rows)
