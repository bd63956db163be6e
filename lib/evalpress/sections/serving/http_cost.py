"""The latency that HTTP adds: a level of the load curve beside the same requests in this process, without a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from evalpress import engine
from evalpress.core import stats
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.sections.job import Job
from evalpress.sections.serving.client import Observation, why_untimed
from evalpress.sections.serving.point import Repeat, nullable
from evalpress.sections.serving.points import Level
from evalpress.sections.serving.prompts import Prompts
from evalpress.sections.serving.results import Compared, HttpCost
from evalpress.sections.serving.servers import Target

NAME = "concurrency-1"
"""The point whose prompts are sent again."""
_METRICS = ("ttft", "tpot", "e2el")
_NO_INTERVAL = "fewer than two requests"


class Inside:
    """The requests of the single stream in this process, for the modes whose engine fits beside the servers.

    One at a time, because HTTP's share of a latency is largest there: there is no queue. A part of them is sent before
    and a part after every run over HTTP, so that a machine that becomes slower or faster favours neither side.
    """

    def __init__(self, job: Job, targets: Sequence[Target], prompts: Prompts) -> None:
        serving = job.params.serving
        fitting = [target.mode for target in targets if target.own and target.beside_engines]
        self._job = job
        self._engines = {mode: engine.get(job.params, mode) for mode in fitting if 1 in serving.concurrency}
        self._parts = 2 * serving.repeats
        self._drawn = prompts.draw(serving.requests_per_level, NAME, 0)
        self._warm_up = prompts.draw(1, f"{NAME}-warm-up", 0)[0]
        self.found: dict[str, list[Observation]] = {mode: [] for mode in self._engines}

    @contextlib.contextmanager
    def around(self, mode: str, repeat: int) -> Iterator[None]:
        """Around the block that sends a repeat of the single stream over HTTP."""
        self._send(mode, 2 * repeat)
        yield
        self._send(mode, 2 * repeat + 1)

    def _send(self, mode: str, part: int) -> None:
        if mode not in self._engines:
            return
        step(f"the same requests without a server, {mode}")
        self._observed(mode, self._warm_up)  # not counted: threads of the other side may still be spinning
        self.found[mode] += [self._observed(mode, prompt) for prompt in self._drawn[part :: self._parts]]
        self._job.raw(f"{mode}-in-process", [{"ttft": o.ttft_s, "e2el": o.e2el_s} for o in self.found[mode]])

    def _observed(self, mode: str, prompt: list[int]) -> Observation:
        sampling = engine.Sampling(max_tokens=self._job.params.serving.output_len, ignore_eos=True)
        (done,) = self._engines[mode].generate([prompt], sampling)
        ttft, e2el = done.timing.ttft, done.timing.e2el
        return Observation(0.0, e2el, ttft, (e2el - ttft,), len(prompt), len(done.token_ids))


def compare(
    levels: Sequence[Level],
    repeats: Mapping[tuple[str, str], Sequence[Repeat]],
    inside: Mapping[str, Sequence[Observation]],
) -> tuple[HttpCost, ...]:
    """One row per mode: the served figure at one request at a time, the in-process figure, the difference."""
    rows = []
    for level in levels:
        if level.concurrency == 1 and inside.get(level.mode):
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
    throughput = sum(one.output_tokens for one in inside) / sum(one.ended_s - one.sent_s for one in inside)
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
