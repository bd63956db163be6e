"""Load on servers by vLLM's own client: closed loops from one stream to saturation, Poisson arrivals, goodput."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalpress import model
from evalpress.core.errors import MeasurementError
from evalpress.core.progress import step
from evalpress.engine import client
from evalpress.sections.job import Job
from evalpress.sections.serving.servers import Target

LATENCIES = ("ttft", "tpot", "itl", "e2el")
STATISTICS = ("mean", "median", "std", "p90", "p99")
RAW = ("duration", "ttfts", "itls", "input_lens", "output_lens", "start_times", "errors")
"""What the client keeps of every request (seconds, tokens)."""
FROM_CLIENT = (
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "output_throughput",
    "total_token_throughput",
    "request_goodput",
)
CLIENT_BOUND = 0.9
"""From this share of one core on, the client is taken for the bottleneck: its Python runs on one core at a time."""
WAVES = 3
"""A closed loop sends at least so many requests for each that is in flight."""
SATURATED = 1.1
"""A last step of concurrency that brings less than this factor of throughput has reached saturation."""


def points(job: Job, targets: Sequence[Target]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Closed-loop levels and Poisson rates of all targets, which take turns (A B B A) at each point.

    Returns:
        `levels` and `rates`; each point has its `mode` and the keys of `vllm bench serve`.
    """
    serving = job.params.serving
    levels: list[dict[str, Any]] = []
    for index, concurrency in enumerate(serving.concurrency):
        for target in _turn(targets, index):
            step(f"load on the {target.mode} server: {concurrency} at a time")
            levels.append(_closed_loop(job, target, concurrency))
    peak = saturation(levels, job.params.engine.max_num_seqs)
    rates: list[dict[str, Any]] = []
    for index, share in enumerate(serving.rate_shares):
        for target in _turn(targets, index):
            rate = round(share * peak[target.mode]["request_throughput"], 3)
            step(f"load on the {target.mode} server: {rate:.3g} requests per second")
            rates.append(_poisson(job, target, share, rate))
    return levels, rates


def _turn(targets: Sequence[Target], index: int) -> list[Target]:
    return list(targets) if index % 2 == 0 else list(reversed(targets))


def saturation(levels: Sequence[dict[str, Any]], max_num_seqs: int | None = None) -> dict[str, dict[str, Any]]:
    """Each mode's highest throughput, over levels where the client was not the bottleneck.

    `reached` says that more requests at a time would bring nothing: the highest level fills the scheduler, so that
    further ones only queue, or the step to it brought little. `reached_why` says which.

    Args:
        max_num_seqs: requests that the scheduler runs at a time, where the set fixes it.
    """
    found: dict[str, dict[str, Any]] = {}
    for mode in dict.fromkeys(level["mode"] for level in levels):
        all_levels = [level for level in levels if level["mode"] == mode]
        used = [level for level in all_levels if not level["client_bound"]] or all_levels[:1]
        best = max(used, key=lambda level: level["output_throughput"])
        before = [level["output_throughput"] for level in used[:-1]]
        why = None
        if max_num_seqs is not None and used[-1]["concurrency"] >= max_num_seqs:
            why = f"the scheduler runs {max_num_seqs} at a time (engine.max_num_seqs): more would queue"
        elif before and used[-1]["output_throughput"] < SATURATED * max(before):
            why = f"the step to the highest level brought less than {SATURATED - 1:.0%}"
        keys = ("concurrency", "output_throughput", "request_throughput", "mean_ttft_ms", "mean_tpot_ms")
        found[mode] = {key: best[key] for key in keys} | {"reached": why is not None, "reached_why": why or "not yet"}
    return found


def _closed_loop(job: Job, target: Target, concurrency: int) -> dict[str, Any]:
    count = max(job.params.serving.requests_per_level, WAVES * concurrency)
    load = {"num_prompts": count, "max_concurrency": concurrency, "warmups": min(max(concurrency, 4), 8)}
    return {"concurrency": concurrency} | _point(job, target, load, f"concurrency-{concurrency}")


def _poisson(job: Job, target: Target, share: float, rate: float) -> dict[str, Any]:
    count = max(job.params.serving.requests_per_level, math.ceil(rate * job.params.serving.rate_seconds))
    load = {"num_prompts": count, "request_rate": rate}
    name = f"rate-{share:g}"
    point = {"share_of_saturation": share} | _point(job, target, load, name)
    return point | _build_up(job.read_raw(f"{target.mode}-{name}"))


def _build_up(kept: Mapping[str, Any]) -> dict[str, float]:
    """How long requests arrived (s), and the share of them that was answered when the last one arrived.

    In a steady state only what is in flight is unanswered then, so the share nears 1 as the arrivals go on.
    """
    started = np.asarray(kept["start_times"])
    ended = started + np.asarray(kept["ttfts"]) + np.asarray([sum(gaps) for gaps in kept["itls"]])
    answered = (ended <= started.max()) & (np.asarray(kept["output_lens"]) > 0)
    return {"arrivals_s": float(np.ptp(started)), "answered_by_last_arrival": float(np.mean(answered))}


def _point(job: Job, target: Target, load: dict[str, Any], name: str) -> dict[str, Any]:
    """One point of the load curve, under the keys of `vllm bench serve`."""
    p = job.params
    load = {"input_len": p.serving.input_len, "output_len": p.serving.output_len} | load
    asked = load | {"slo": dict(p.serving.slo)}
    arguments = client.argv(target.base_url, target.served, target.served, asked, p.engine.seed)
    found = client.bench([*arguments, "--tokenizer", str(Path(model.resolve(p)))])
    errors = [text for text in found.get("errors", []) if text]
    if found["completed"] == 0:
        raise MeasurementError(f"load ({name}): no request completed: {(errors or ['no reason given'])[0][:200]}")
    job.raw(f"{target.mode}-{name}", {key: found[key] for key in RAW})
    point = {"mode": target.mode, **load}
    point |= {key: found.get(key, len(errors)) for key in FROM_CLIENT if key != "request_goodput"}
    point |= {f"{s}_{name}_ms": found[f"{s}_{name}_ms"] for name in LATENCIES for s in STATISTICS}
    point |= _kept(found, load["num_prompts"])
    share = found["client_cpu_share"]
    return point | {"client_s": found["client_s"], "client_cpu_share": share, "client_bound": share >= CLIENT_BOUND}


def _kept(found: dict[str, Any], sent: int) -> dict[str, Any]:
    """Goodput as vLLM's client counts it, and SLO attainment: the share of all requests sent that kept the SLO.

    The client divides by the time until the last answer, so goodput lies below the offered rate by that tail even
    where every request is good; the share has no tail (SLO attainment: Zhong et al., DistServe, OSDI 2024).
    """
    good = found.get("request_goodput")
    if good is None:
        why = "the set gives no serving.slo"
        return dict.fromkeys(("request_goodput", "slo_attainment")) | {
            "request_goodput_why": why,
            "slo_attainment_why": why,
        }
    return {"request_goodput": good, "slo_attainment": round(good * found["duration"]) / sent}
