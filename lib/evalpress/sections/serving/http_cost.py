"""The latency that HTTP adds: the same requests over HTTP and in this process without a server, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from evalpress import engine
from evalpress.core import stats
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.sections.job import Job
from evalpress.sections.serving import client
from evalpress.sections.serving.client import Observation, why_untimed
from evalpress.sections.serving.point import nullable
from evalpress.sections.serving.prompts import Prompts
from evalpress.sections.serving.results import Compared, HttpCost
from evalpress.sections.serving.servers import Target

NAME = "http-cost"
"""The name under which prompts are drawn."""
TURNS = 4
"""Parts of the requests; the side that goes first alternates (A B, B A), so that a machine that becomes slower or
faster favours neither side."""
_SETTLE_S = 0.3
"""Pause before a side's turn, s: threads of OpenMP runtimes spin for up to 0.2 s after the other side's last step."""
_METRICS = ("ttft", "tpot", "e2el")
_NO_INTERVAL = "fewer than two requests"
_Side = Callable[[Sequence[list[int]]], Sequence[Observation]]


def measure(job: Job, targets: Sequence[Target], prompts: Prompts) -> tuple[HttpCost, ...]:
    """One row per server beside which memory holds this process's engine: figures of both sides, and the difference.

    One request at a time, because HTTP's share of a latency is largest there: there is no queue.
    """
    return tuple(_of_mode(job, target, prompts) for target in targets if target.own and target.beside_engines)


def _of_mode(job: Job, target: Target, prompts: Prompts) -> HttpCost:
    loaded = engine.get(job.params, target.mode)
    step(f"the same requests over HTTP and without a server, {target.mode}")
    output_len = job.params.serving.output_len
    whom = client.Target(target.endpoint, target.offers.name, output_len, target.offers.by_vllm)
    sides: dict[str, _Side] = {
        "over-http": lambda drawn: client.closed_loop(whom, drawn, 1).observations,
        "in-process": lambda drawn: [_observed(loaded, prompt, output_len) for prompt in drawn],
    }
    for send in sides.values():
        send(prompts.draw(1, f"{NAME}-warm-up", 0))
    found = in_turn(sides, prompts.draw(job.params.serving.requests_per_level, NAME, 0))
    for side, observations in found.items():
        job.raw(f"{target.mode}-{side}", [{"ttft": o.ttft_s, "e2el": o.e2el_s} for o in observations])
    return compare(target.mode, found["over-http"], found["in-process"])


def in_turn(sides: dict[str, _Side], drawn: Sequence[list[int]]) -> dict[str, list[Observation]]:
    """Every prompt sent on every side, in `TURNS` parts; the order of the sides alternates."""
    found: dict[str, list[Observation]] = {name: [] for name in sides}
    for turn in range(min(TURNS, len(drawn))):
        for name in sides if turn % 2 == 0 else reversed(sides):
            time.sleep(_SETTLE_S)
            found[name] += sides[name](drawn[turn::TURNS])
    return found


def _observed(loaded: engine.Engine, prompt: list[int], output_len: int) -> Observation:
    (done,) = loaded.generate([prompt], engine.Sampling(max_tokens=output_len, ignore_eos=True))
    ttft, e2el = done.timing.ttft, done.timing.e2el
    return Observation(0.0, e2el, ttft, (e2el - ttft,), len(prompt), len(done.token_ids))


def compare(mode: str, served: Sequence[Observation], inside: Sequence[Observation]) -> HttpCost:
    """The figures of the same requests on both sides, and their differences."""
    differences: Fields = {}
    for name in _METRICS:
        ours, theirs = _values(inside, name), _values(served, name)
        differences |= _added(name, theirs, ours, why_untimed(inside if theirs else served))
    return HttpCost(mode=mode, served=_figures(served), in_process=_figures(inside), **differences)


def _figures(observations: Sequence[Observation]) -> Compared:
    means: Fields = {}
    for name in _METRICS:
        values = _values(observations, name)
        means |= nullable(f"mean_{name}_ms", float(np.mean(values)) if values else None, why_untimed(observations))
    seconds = sum(one.e2el_s or 0.0 for one in observations)
    tokens = sum(one.output_tokens for one in observations if one.e2el_s is not None)
    return Compared(**means, output_throughput=tokens / seconds if seconds else 0.0)


def _added(name: str, served: list[float], inside: list[float], why: str) -> Fields:
    key = f"added_{name}_ms"
    if not served or not inside:
        ends = ("", "_median", "_low", "_high")
        return {k: v for end in ends for k, v in nullable(f"{key}{end}", None, why).items()}
    bounds = stats.difference_interval(served, inside)
    low, high = bounds if bounds else (None, None)
    return (
        {key: float(np.mean(served) - np.mean(inside)), f"{key}_median": float(np.median(served) - np.median(inside))}
        | nullable(f"{key}_low", low, _NO_INTERVAL)
        | nullable(f"{key}_high", high, _NO_INTERVAL)
    )


def _values(observations: Sequence[Observation], name: str) -> list[float]:
    found = [getattr(one, f"{name}_s") for one in observations if one.error is None]
    return [1e3 * value for value in found if value is not None]
