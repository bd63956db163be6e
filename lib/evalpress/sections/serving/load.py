"""Load on servers: closed loops from one stream to saturation and Poisson arrivals, repeated, the servers in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np

from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Fields
from evalpress.core.progress import step
from evalpress.sections.job import Job
from evalpress.sections.serving import client, counters, point, window
from evalpress.sections.serving.client import Load
from evalpress.sections.serving.point import Repeat
from evalpress.sections.serving.points import Level, Rate
from evalpress.sections.serving.prompts import Prompts
from evalpress.sections.serving.results import Saturation
from evalpress.sections.serving.servers import Target

SATURATED = 1.1
"""A last step of concurrency that brings less than this factor of throughput has reached saturation."""
_WARM_UP = (4, 8)
"""Requests of a warm-up: as many as streams, within these bounds."""


def _nothing(mode: str, repeat: int) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass
class Loads:
    """The load that one section puts on its servers, and what was observed.

    A closed loop sends the requests of the window, one wave before them (sent together) and one wave after them.
    """

    job: Job
    targets: Sequence[Target]
    prompts: Prompts
    around_single: Callable[[str, int], AbstractContextManager[None]] = _nothing
    """Called with mode and repeat: a context for a run of one request at a time."""
    levels: list[Level] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    repeats: dict[tuple[str, str], list[Repeat]] = field(default_factory=dict)
    """By mode and name of the point."""

    def measure(self) -> None:
        """All levels and rates of the set; every repeat goes through all points, the servers in turn (A B, B A)."""
        serving = self.job.params.serving
        for repeat in range(serving.repeats):
            for index, concurrency in enumerate(serving.concurrency):
                for target in self.turn(index + repeat):
                    self._closed_loop(target, concurrency, repeat)
        self.levels = [self._level(t, c) for c in serving.concurrency for t in self.targets]
        peak = saturation(self.levels, self.job.params.engine.max_num_seqs)
        offered = {
            (target.mode, share): round(share * peak[target.mode].request_throughput, 3)
            for share in serving.rate_shares
            for target in self.targets
        }
        for repeat in range(serving.repeats):
            for index, share in enumerate(serving.rate_shares):
                for target in self.turn(index + repeat):
                    self.poisson(target, offered[target.mode, share], f"rate-{share:g}", repeat)
        self.rates = [
            self.rate(target, f"rate-{share:g}", offered[target.mode, share], share)
            for share in serving.rate_shares
            for target in self.targets
        ]

    def poisson(self, target: Target, rate: float, name: str, repeat: int) -> Repeat:
        """One repeat of Poisson arrivals at a rate (requests per second), kept under the name of its point."""
        step(f"load on the {target.mode} server: {rate:.3g} requests per second{self._counted(repeat)}")
        serving = self.job.params.serving
        count = max(serving.requests_per_level, math.ceil(rate * serving.rate_seconds))
        load, tokens = self._sent(
            target,
            lambda whom: client.open_loop(
                whom, self.prompts.draw(count, name, repeat), arrivals(count, rate, self.job.params.engine.seed, repeat)
            ),
        )
        return self._keep(target, name, Repeat(load, window.open_loop(load.observations), None, tokens))

    def rate(self, target: Target, name: str, rate: float, share: float | None) -> Rate:
        """The point of all repeats at a rate."""
        repeats = self.repeats[target.mode, name]
        late = [one.late_s for repeat in repeats for one in repeat.observations]
        spans = [repeat.observations[-1].sent_s - repeat.observations[0].sent_s for repeat in repeats]
        why = "a rate that the search for the highest one tried"
        return Rate(
            **self._shape(target),
            **point.figures(repeats, self.job.params.serving.slo),
            **point.nullable("share_of_saturation", share, why),
            request_rate=rate,
            arrivals_s=float(np.mean(spans)),
            answered_by_last_arrival=float(np.mean([_answered_by_last_arrival(repeat) for repeat in repeats])),
            late_ms=1e3 * float(np.percentile(late, 99)),
        )

    def _closed_loop(self, target: Target, concurrency: int, repeat: int) -> None:
        told = f"load on the {target.mode} server: {concurrency} at a time{self._counted(repeat)}"
        step(told)
        name = f"concurrency-{concurrency}"
        if repeat == 0:
            warm_up = self.prompts.draw(_warm_ups(concurrency), f"{name}-warm-up", 0)
            client.closed_loop(self._whom(target), warm_up, concurrency)
        count = max(self.job.params.serving.requests_per_level, concurrency) + 2 * concurrency
        drawn = self.prompts.draw(count, name, repeat)
        around = self.around_single if concurrency == 1 else _nothing
        with around(target.mode, repeat):
            step(told)
            load, tokens = self._sent(target, lambda whom: client.closed_loop(whom, drawn, concurrency))
        found = Repeat(load, window.closed_loop(load.observations, concurrency), concurrency, tokens)
        self._keep(target, name, found)

    def _level(self, target: Target, concurrency: int) -> Level:
        return Level(
            **self._shape(target),
            **point.figures(self.repeats[target.mode, f"concurrency-{concurrency}"], self.job.params.serving.slo),
            concurrency=concurrency,
            max_concurrency=concurrency,
            warmups=_warm_ups(concurrency),
        )

    def _sent(self, target: Target, send: Callable[[client.Target], Load]) -> tuple[Load, counters.Counted | None]:
        before = counters.read(target.endpoint) if target.own else None  # others use a server that already ran
        load = send(self._whom(target))
        return load, counters.grown(target.endpoint, before, load.observations)

    def _keep(self, target: Target, name: str, found: Repeat) -> Repeat:
        kept = self.repeats.setdefault((target.mode, name), [])
        kept.append(found)
        errors = [one.error for one in found.observations if one.error is not None]
        if len(errors) == len(found.observations):
            raise MeasurementError(f"load ({name}, {target.mode} server): no request completed: {errors[0]}")
        self.job.raw(f"{target.mode}-{name}", [repeat.plain() for repeat in kept])
        return found

    def turn(self, index: int) -> Sequence[Target]:
        """The servers in the order of this turn: A B, then B A."""
        return self.targets if index % 2 == 0 else tuple(reversed(self.targets))

    def _counted(self, repeat: int) -> str:
        repeats = self.job.params.serving.repeats
        return f", {repeat + 1} of {repeats}" if repeats > 1 else ""

    def _whom(self, target: Target) -> client.Target:
        return client.Target(
            target.endpoint, target.offers.name, self.job.params.serving.output_len, target.offers.by_vllm
        )

    def _shape(self, target: Target) -> Fields:
        serving = self.job.params.serving
        return {"mode": target.mode, "input_len": serving.input_len, "output_len": serving.output_len}


def arrivals(count: int, rate: float, seed: int, repeat: int) -> list[float]:
    """Times of Poisson arrivals in seconds, scaled so that `count` requests arrive in exactly count / rate seconds."""
    gaps = np.random.default_rng([seed, repeat]).exponential(1 / rate, count)
    times = np.cumsum(gaps)
    return [float(time) for time in (times - times[0]) * (count / rate) / times[-1]]


def saturation(levels: Sequence[Level], max_num_seqs: int | None = None) -> dict[str, Saturation]:
    """Each mode's highest throughput, over levels where the client was not the bottleneck.

    `reached` says that more requests at a time would not increase throughput: the highest level fills the scheduler,
    so that further ones only queue, or the step to it increased throughput only little. `reached_why` says which.

    Args:
        max_num_seqs: requests that the scheduler runs at a time, where the set fixes it.
    """
    found: dict[str, Saturation] = {}
    for mode in dict.fromkeys(level.mode for level in levels):
        all_levels = [level for level in levels if level.mode == mode]
        used = [level for level in all_levels if not level.client_bound] or all_levels[:1]
        best = max(used, key=lambda level: level.output_throughput)
        before = [level.output_throughput for level in used[:-1]]
        why = None
        if max_num_seqs is not None and used[-1].concurrency >= max_num_seqs:
            why = f"the scheduler runs {max_num_seqs} at a time (engine.max_num_seqs): more would queue"
        elif before and used[-1].output_throughput < SATURATED * max(before):
            why = f"the step to the highest level brought less than {SATURATED - 1:.0%}"
        found[mode] = Saturation(
            concurrency=best.concurrency,
            output_throughput=best.output_throughput,
            request_throughput=best.request_throughput,
            **point.nullable("mean_ttft_ms", best.mean_ttft_ms, best.mean_ttft_ms_why or ""),
            **point.nullable("mean_tpot_ms", best.mean_tpot_ms, best.mean_tpot_ms_why or ""),
            reached=why is not None,
            reached_why=why or "not yet",
        )
    return found


def _warm_ups(concurrency: int) -> int:
    return min(max(concurrency, _WARM_UP[0]), _WARM_UP[1])


def _answered_by_last_arrival(repeat: Repeat) -> float:
    """In a steady state only requests in flight are unanswered then, so the share nears 1 with longer arrivals."""
    last = repeat.observations[-1].sent_s
    return float(np.mean([one.error is None and one.ended_s <= last for one in repeat.observations]))
