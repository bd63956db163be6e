"""The table of repeated starts."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.display.completion import own_functions
from evalpress.display.tables import Column, Missing, Table, fmt, pick
from evalpress.sections.serving.results import Results

__dir__ = own_functions(__name__)

_TITLE = "Starts by the run book's command"


def starts(document: Document[Results]) -> Table:
    """Cold and warm starts of each server, each in a process of its own."""
    found = document.data.starts
    if found is None:
        return Table(_TITLE, ["", ""], [["not measured", Missing(document.data.starts_why or "")]])
    rows: list[list[Any]] = []
    for one in found.figures:
        low = pick(one, "ready_s_low")
        between = low if isinstance(low, Missing) else f"{fmt(one.ready_s_low)} to {fmt(one.ready_s_high)} s"
        phases = [pick(one, key) for key in ("load_weights_s", "compile_s", "graph_capture_s")]
        beside = [pick(one, key) for key in ("bench_startup_s", "bench_ratio")]
        rows.append([one.mode, one.kind, one.starts, one.ready_s, between, *phases, *beside])
    heads: list[Column | str] = ["server", "start", "starts", Column("ready after", "s"), "95 % interval"]
    heads += [Column(name, "s") for name in ("weights", "compilation", "graph capture")]
    heads += [Column("vllm bench startup", "s"), Column("ready / bench startup", "")]
    note = (
        "Ready: from the start of the process to the first answer of the health check, with nothing beside it. Cold: "
        "the folders of vLLM's and Inductor's compile caches were empty; the operating system may still hold the "
        "weights' files. Warm: with the folders as the cold start before left them, else with this project's. "
        "Phases are the durations that vLLM's log states. vllm bench startup constructs an engine in one process: it "
        "counts neither the import nor the server."
    )
    return Table(_TITLE, heads, rows, note=note)
