"""The content of a benchmark client's result files in one form: its requests, its own figures, facts of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """One request as the client saw it; times in seconds, None where the file does not tell."""

    sent_s: float | None
    """On the file's own clock."""
    ttft_s: float | None
    """From sending to the first token."""
    e2el_s: float | None
    """From sending to the last token."""
    output_tokens: int | None
    input_tokens: int | None = None
    end_s: float | None = None
    """From sending to the end of the response, which may be later than the last token (a usage chunk)."""
    gaps_s: tuple[float, ...] | None = None
    """Between consecutive chunks with tokens."""
    chunk_gaps_s: tuple[float, ...] | None = None
    """Between consecutive chunks of any kind, where some hold no token."""
    first_chunk_s: float | None = None
    """From sending to the first chunk of any kind, where one without a token comes before the first token."""
    waited_s: float | None = None
    """From when the request was due to its sending."""
    tool_tpot_s: float | None = None
    """The time per output token that the file states for this request."""
    failed: bool = False


@dataclass(frozen=True)
class Printed:
    """One figure of the tool, in vLLM's unit (milliseconds, or per second)."""

    name: str
    """As the tool calls it."""
    metric: str
    """ttft, tpot, itl, e2el, duration, request_throughput, output_throughput or total_token_throughput."""
    statistic: str
    """mean, median, std or p1 to p99; empty for rates and the duration."""
    value: float
    definition: str
    """How the tool documents it: a key of `definitions.LATENCIES`, or `numerator/duration` of `rates`."""
    rounding: float = 0.0
    """Half of the last digit that the file gives."""
    method: str = "linear"
    """The method of a percentile: linear (numpy), or nearest (the value at rank ceil(share x n))."""


@dataclass(frozen=True)
class Totals:
    """Sums that the file states."""

    completed: int | None = None
    failed: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Run:
    """One run of one client."""

    tool: str
    version: str | None
    files: tuple[Path, ...]
    name: str
    """What distinguishes it from other runs in the same file."""
    printed: tuple[Printed, ...]
    requests: tuple[Request, ...] = ()
    duration_s: float | None = None
    """As the tool states it."""
    window_s: float | None = None
    """From the start to the end of the tool's measured time, by the file's own time stamps."""
    totals: Totals = field(default_factory=Totals)
    means: bool = False
    """The one request in `requests` holds the means of all, whose output lengths are equal."""
    lacks: str = "the file has no data of single requests"
    """Why some figures cannot be recomputed."""
    notes: tuple[str, ...] = ()

    @property
    def answered(self) -> Sequence[Request]:
        return [one for one in self.requests if not one.failed]


def figure(
    name: str,
    key: str,
    value: object,
    definition: str,
    *,
    scale: float = 1.0,
    method: str = "linear",
    rounding: float = 0.0,
) -> list[Printed]:
    """The figure `key` (`mean_ttft`, `duration`), or nothing where the file has no such number.

    Args:
        scale: from the file's unit to milliseconds, or to a rate per second.
        rounding: half of the last digit, in the file's unit.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return []
    statistic, _, metric = key.rpartition("_") if key.split("_")[-1] in LATENCY_NAMES else ("", "", key)
    return [Printed(name, metric, statistic, value * scale, definition, rounding * scale, method)]


LATENCY_NAMES = ("ttft", "tpot", "itl", "e2el")
