"""What HTTP costs: a level of the load curve beside the same requests in this process, without a server."""

from __future__ import annotations

from typing import Any

from evalpress import engine
from evalpress.bench import metrics
from evalpress.bench.run import prompts, run_block, warm_up
from evalpress.job import Job
from evalpress.params.schema import Mode, Workload
from evalpress.progress import step

COMPARED = ("mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms", "output_throughput")


def in_process(job: Job, modes: tuple[Mode, ...]) -> dict[str, dict[str, Any]]:
    """Figures of the serving workload in this process, one request at a time: mode -> figures.

    Measured one at a time because HTTP's share of a latency is largest and clearest there: no queue hides it.
    """
    serving = job.params.serving
    found: dict[str, dict[str, Any]] = {}
    for mode in modes:
        loaded = engine.get(job.params, mode)
        load = Workload(
            num_prompts=serving.requests_per_level,
            input_len=serving.input_len,
            output_len=serving.output_len,
            concurrent=False,
        )
        step(f"the same requests without a server, {mode}")
        warm_up(loaded, load, prompts(job.params, load, "http", 0, loaded)[:1])
        blocks = [run_block(loaded, load, prompts(job.params, load, "http", 1, loaded))]
        job.raw(f"{mode}-in-process", blocks)
        found[mode] = metrics.figures(blocks)
    return found


def compare(levels: list[dict[str, Any]], inside: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per mode: the served figure at one request at a time, the in-process figure, the difference."""
    rows = []
    for level in levels:
        if level["concurrency"] != 1 or level["mode"] not in inside:
            continue
        figures = inside[level["mode"]]
        rows.append(
            {
                "mode": level["mode"],
                "served": {key: level[key] for key in COMPARED},
                "in_process": {key: figures[key] for key in COMPARED},
                "added_e2el_ms": level["mean_e2el_ms"] - figures["mean_e2el_ms"],
                "added_ttft_ms": level["mean_ttft_ms"] - figures["mean_ttft_ms"],
                "added_tpot_ms": level["mean_tpot_ms"] - figures["mean_tpot_ms"],
            }
        )
    return rows
