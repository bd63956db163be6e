"""The schema of repeated starts in `results/serving.json`."""

from __future__ import annotations

from typing import Literal

from evalpress.core.results import Model

Kind = Literal["cold", "warm"]
PHASES = ("load_weights_s", "compile_s", "graph_capture_s")
"""Phases for which vLLM's log gives durations of its own, so that they do not depend on the log's clock."""


class _Phases(Model):
    """Seconds by the server's log."""

    load_weights_s: float | None
    load_weights_s_why: str | None = None
    compile_s: float | None
    compile_s_why: str | None = None
    graph_capture_s: float | None
    graph_capture_s_why: str | None = None


class ServedStart(_Phases):
    """One start of the run book's command in a process of its own, in seconds."""

    mode: str
    kind: Kind
    """cold: the compile cache's folders were empty. warm: they were as the start before had left them."""
    ready_s: float
    """From the start of the process to the first answer of the health check."""
    compile_cache: str | None
    """What the start found in the compile cache, by its log."""
    compile_cache_why: str | None = None


class StartFigures(_Phases):
    """All starts of one mode and kind."""

    mode: str
    kind: Kind
    starts: int
    ready_s: float
    """Mean over the starts."""
    ready_s_low: float | None
    """95 % interval of the mean, Student's t."""
    ready_s_low_why: str | None = None
    ready_s_high: float | None
    ready_s_high_why: str | None = None
    bench_startup_s: float | None
    """The same by `vllm bench startup`: an engine constructed in a process, without import and server."""
    bench_startup_s_why: str | None = None
    bench_ratio: float | None
    """ready_s / bench_startup_s."""
    bench_ratio_why: str | None = None


class Starts(Model):
    """Starts of the servers by the run book's command, each in a process of its own with nothing beside it."""

    figures: tuple[StartFigures, ...]
    starts: tuple[ServedStart, ...]
    """Every start, in the order of measuring."""
