"""What the serving section measures: the schema of `results/serving.json`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.core.results import Results as SectionResults
from evalpress.platforms.power import NOT_READ, Energy
from evalpress.sections.serving import migration
from evalpress.sections.serving.points import Level, Rate
from evalpress.sections.serving.start_results import Starts

RUNNING = "running"
"""In place of the mode of a server that this suite did not start."""


class Server(Model):
    """One server that was measured."""

    base_url: str
    """Where it answered in this run; the command in the run book names a port of its own."""
    model: str
    """The name under which it offers the model."""
    command: str | None
    """The run book's command, by which it was started."""
    command_why: str | None = None
    ready_s: float | None
    """Seconds from the start of the process to the first answer of the health check."""
    ready_s_why: str | None = None
    started: str
    """What else ran while it started, in words."""


class Saturation(Model):
    """A server's highest throughput, over levels where the client was not the bottleneck."""

    concurrency: int
    output_throughput: float
    request_throughput: float
    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    mean_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    reached: bool
    reached_why: str


class LoadEnergy(Energy):
    """Energy of one load on a server, ramp and cool-down of every repeat included."""

    mode: str
    load: str = Field(description="the point's name: concurrency-<requests> or rate-<share of saturation>")


class Curl(Model):
    """The run book's curl, executed."""

    argv: tuple[str, ...]
    command: str
    """As the run book prints it."""
    output: str | None
    output_why: str | None = None
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    ok: bool
    mode: str


class Stream(Model):
    """One streaming completion."""

    prompt: str
    output: str
    finish_reason: str | None = None
    chunks: int
    """Number of chunks with text."""
    ttft_ms: float
    """Time from sending to the first chunk with text."""
    e2el_ms: float
    mode: str


class Compared(Model):
    """Figures of one request at a time."""

    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    mean_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    mean_e2el_ms: float | None
    mean_e2el_ms_why: str | None = None
    output_throughput: float


class HttpCost(Model):
    """What HTTP adds to a latency, one request at a time: served minus in process, in milliseconds.

    `_low` and `_high`: Welch's 95 % interval over requests; `_median`: the difference of the medians.
    """

    mode: str
    served: Compared
    in_process: Compared
    added_ttft_ms: float | None
    added_ttft_ms_why: str | None = None
    added_ttft_ms_median: float | None
    added_ttft_ms_median_why: str | None = None
    added_ttft_ms_low: float | None
    added_ttft_ms_low_why: str | None = None
    added_ttft_ms_high: float | None
    added_ttft_ms_high_why: str | None = None
    added_tpot_ms: float | None
    added_tpot_ms_why: str | None = None
    added_tpot_ms_median: float | None
    added_tpot_ms_median_why: str | None = None
    added_tpot_ms_low: float | None
    added_tpot_ms_low_why: str | None = None
    added_tpot_ms_high: float | None
    added_tpot_ms_high_why: str | None = None
    added_e2el_ms: float | None
    added_e2el_ms_why: str | None = None
    added_e2el_ms_median: float | None
    added_e2el_ms_median_why: str | None = None
    added_e2el_ms_low: float | None
    added_e2el_ms_low_why: str | None = None
    added_e2el_ms_high: float | None
    added_e2el_ms_high_why: str | None = None


class Invariant(Model):
    """What must hold of every point."""

    id: str
    statement: str
    status: str
    """ok, broken, or n/a where no server reports what it needs."""
    found: str


class Search(Model):
    """The highest request rate at which a server keeps the SLO."""

    attainment_min: float
    """Share of the requests that must keep the SLO."""
    request_rate: float | None
    """Requests per second: the highest rate tried that kept it in every repeat."""
    request_rate_why: str | None = None
    request_rate_high: float | None
    """The lowest rate tried that did not; the highest rate that does is between the two."""
    request_rate_high_why: str | None = None
    certain_rate: float | None = None
    """Lower end of the 95 % interval: the highest rate whose attainment is above the limit with its whole interval,
    with no lower rate that broke it."""
    certain_rate_why: str | None = "measured before this figure was kept"
    certain_rate_high: float | None = None
    """Upper end: the lowest rate whose attainment is below the limit with its whole interval."""
    certain_rate_high_why: str | None = "measured before this figure was kept"
    request_goodput: float | None
    """Goodput at `request_rate`, requests per second."""
    request_goodput_why: str | None = None
    tried: tuple[Rate, ...]


class Replica(Model):
    """One replica behind the URL that was measured."""

    name: str
    """Its address as the router names it, or `engine N` of a data parallel server."""
    requests: int
    """Answered during the section: load, search and single requests."""
    share: float = Field(description="of the requests of all replicas")


class Knee(Model):
    """The closed loop with the highest power, request throughput / mean E2EL (Kleinrock, 1979)."""

    concurrency: int
    request_throughput: float
    """Per second."""
    output_throughput: float
    """Tokens per second."""
    mean_ttft_ms: float
    mean_e2el_ms: float
    share_of_saturation: float
    """Of the highest request throughput of the closed loops."""
    at_end: bool
    """Whether it is the lowest or the highest level, so that the knee may lie beyond it."""


class Results(SectionResults):
    """`data` of results/serving.json."""

    VERSION: ClassVar[int] = 3

    servers: dict[str, Server]
    """The servers by mode, or `running` for a server that this suite did not start."""
    levels: tuple[Level, ...]
    rates: tuple[Rate, ...]
    curl: Curl
    stream: Stream
    http_cost: tuple[HttpCost, ...]
    http_cost_why: str | None = None
    """Why nothing was compared, where nothing was."""
    saturation: dict[str, Saturation]
    """The highest throughput by mode."""
    replicas: tuple[Replica, ...] | None = None
    """Behind a URL with several of them, where the server or its router tells."""
    replicas_why: str | None = "measured before this figure was kept"
    knees: dict[str, Knee] | None = None
    """By mode: beyond it, a further request in flight adds more to the latency than to the throughput."""
    knees_why: str | None = "measured before this figure was kept"
    slo_search: dict[str, Search] | None
    """The highest request rate within the SLO by mode."""
    slo_search_why: str | None = None
    starts: Starts | None = None
    """Starts by the run book's command, cold and warm."""
    starts_why: str | None = "measured before this figure was kept"
    identities: tuple[Invariant, ...]
    slo_ms: dict[str, float]
    """Limits in ms that a request must keep to count as good."""
    windows: dict[str, str] = Field(default_factory=dict)
    """The rule by which ramp and cool-down are left out, for `levels` and `rates`."""
    energy: tuple[LoadEnergy, ...] = Field(default=(), description="of every level and rate, over its repeats")
    energy_why: str | None = Field(default=NOT_READ, description="why it is empty")
    energy_source: str | None = Field(default=None, description="source of the power readings, in words")
    energy_source_why: str | None = NOT_READ
    client: str
    cores: int
    """Usable cores of the host, shared by client and servers."""

    @classmethod
    def migrate(cls, data: Json, version: int) -> Json:
        return migration.from_second(migration.from_first(data) if version == 1 else data)
