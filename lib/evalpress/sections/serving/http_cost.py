"""The latency that HTTP adds: a level of the load curve beside the same requests in this process, without a server."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from evalpress import engine
from evalpress.core import stats
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.params.schema import Mode
from evalpress.sections.job import Job
from evalpress.sections.serving.client import Observation, why_untimed
from evalpress.sections.serving.point import Repeat, nullable
from evalpress.sections.serving.points import Level
from evalpress.sections.serving.prompts import Prompts
from evalpress.sections.serving.results import Compared, HttpCost

NAME = "concurrency-1"
"""The point whose prompts are sent again."""
_METRICS = ("ttft", "tpot", "e2el")
_NO_INTERVAL = "fewer than two requests"


def in_process(job: Job, modes: Sequence[Mode], prompts: Prompts) -> dict[str, tuple[Observation, ...]]:
    """The requests of the single stream in this process, one at a time, by mode.

    Measured one at a time because HTTP's share of a latency is largest there: there is no queue.
    """
    serving = job.params.serving
    found: dict[str, tuple[Observation, ...]] = {}
    sampling = engine.Sampling(max_tokens=serving.output_len, ignore_eos=True)
    for mode in modes:
        loaded = engine.get(job.params, mode)
        step(f"the same requests without a server, {mode}")
        loaded.generate(prompts.draw(1, f"{NAME}-warm-up", 0), sampling)
        start = time.perf_counter()
        found[mode] = tuple(
            _observed(loaded, prompt, sampling, start) for prompt in prompts.draw(serving.requests_per_level, NAME, 0)
        )
        job.raw(f"{mode}-in-process", [{"ttft": o.ttft_s, "e2el": o.e2el_s} for o in found[mode]])
    return found


def _observed(loaded: engine.Engine, prompt: list[int], sampling: engine.Sampling, start: float) -> Observation:
    sent = time.perf_counter() - start
    (done,) = loaded.generate([prompt], sampling)
    ttft, e2el = done.timing.ttft, done.timing.e2el
    return Observation(sent, time.perf_counter() - start, ttft, (e2el - ttft,), len(prompt), len(done.token_ids))


def compare(
    levels: Sequence[Level],
    repeats: Mapping[tuple[str, str], Sequence[Repeat]],
    inside: Mapping[str, Sequence[Observation]],
) -> tuple[HttpCost, ...]:
    """One row per mode: the served figure at one request at a time, the in-process figure, the difference."""
    rows = []
    for level in levels:
        if level.concurrency == 1 and level.mode in inside:
            counted = [one for repeat in repeats[level.mode, NAME] for one in repeat.window.counted]
            rows.append(_row(level, counted, inside[level.mode]))
    return tuple(rows)


def _row(level: Level, served: Sequence[Observation], inside: Sequence[Observation]) -> HttpCost:
    differences: Fields = {}
    means: Fields = {}
    for name in _METRICS:
        ours, theirs = _values(inside, name), _values(served, name)
        means |= nullable(f"mean_{name}_ms", float(np.mean(ours)) if ours else None, why_untimed(inside))
        differences |= _added(name, theirs, ours, why_untimed(inside if theirs else served))
    total = sum(one.output_tokens for one in inside)
    throughput = total / (inside[-1].ended_s - inside[0].sent_s)
    keys = [f"mean_{name}_ms" for name in _METRICS]
    over_http: Fields = {}
    for key in keys:
        over_http |= nullable(key, getattr(level, key), getattr(level, f"{key}_why") or "")
    return HttpCost(
        mode=level.mode,
        served=Compared(**over_http, output_throughput=level.output_throughput),
        in_process=Compared(**means, output_throughput=throughput),
        **differences,
    )


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
