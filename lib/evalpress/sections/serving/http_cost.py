"""What HTTP costs: a level of the load curve beside the same requests in this process, without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalpress import engine
from evalpress.core import stats
from evalpress.core.progress import step
from evalpress.params.schema import Mode, Workload
from evalpress.sections.benchmark import metrics
from evalpress.sections.benchmark.block import prompts, run_block, warm_up
from evalpress.sections.benchmark.observations import Block
from evalpress.sections.job import Job

COMPARED = ("mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms", "output_throughput")
_NO_INTERVAL = "fewer than two requests"
Blocks = dict[str, list[Block]]
"""mode -> blocks of requests as the benchmark measures them."""


def in_process(job: Job, modes: tuple[Mode, ...]) -> Blocks:
    """The requests of the serving workload in this process, one at a time.

    Measured one at a time because HTTP's share of a latency is largest and clearest there: no queue hides it.
    """
    serving = job.params.serving
    found: Blocks = {}
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
        found[mode] = [run_block(loaded, load, prompts(job.params, load, "http", 1, loaded))]
        job.raw(f"{mode}-in-process", [block.model_dump(mode="json") for block in found[mode]])
    return found


def compare(job: Job, levels: Sequence[dict[str, Any]], inside: Blocks) -> list[dict[str, Any]]:
    """One row per mode: the served figure at one request at a time, the in-process figure, the difference.

    The differences have Welch's 95 % interval over requests: `added_<latency>_ms`, `…_low`, `…_high`; `…_median` is the
    difference of the medians.
    """
    rows = []
    for level in levels:
        mode = level["mode"]
        if level["concurrency"] != 1 or mode not in inside:
            continue
        figures = metrics.figures(inside[mode]).model_dump()
        row: dict[str, Any] = {
            "mode": mode,
            "served": {key: level[key] for key in COMPARED},
            "in_process": {key: figures[key] for key in COMPARED},
        }
        served = _latencies(job.read_raw(f"{mode}-concurrency-1"))
        for name, values in served.items():
            row |= _added(name, level, figures, values, metrics.observations(inside[mode], name))
        rows.append(row)
    return rows


def _added(
    name: str, level: Mapping[str, Any], figures: Mapping[str, Any], served: list[float], inside: list[float]
) -> dict[str, Any]:
    key = f"added_{name}_ms"
    found: dict[str, Any] = {
        key: level[f"mean_{name}_ms"] - figures[f"mean_{name}_ms"],
        f"{key}_median": level[f"median_{name}_ms"] - figures[f"median_{name}_ms"],
    }
    interval = stats.difference_interval(served, inside) if served and inside else None
    if interval is None:
        bounds = dict.fromkeys((f"{key}_low", f"{key}_high"))
        return found | bounds | {f"{bound}_why": _NO_INTERVAL for bound in bounds}
    return found | {f"{key}_low": interval[0], f"{key}_high": interval[1]}


def _latencies(kept: Mapping[str, Any]) -> dict[str, list[float]]:
    """TTFT, TPOT and E2EL of each request that vLLM's client completed, in milliseconds."""
    found: dict[str, list[float]] = {"ttft": [], "tpot": [], "e2el": []}
    for ttft, gaps, tokens in zip(kept["ttfts"], kept["itls"], kept["output_lens"], strict=True):
        if tokens == 0:  # it failed
            continue
        found["ttft"].append(1e3 * ttft)
        found["e2el"].append(1e3 * (ttft + sum(gaps)))
        if tokens > 1:
            found["tpot"].append(1e3 * sum(gaps) / (tokens - 1))
    return found
