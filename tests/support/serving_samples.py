"""Serving results made from invented requests, by the code that makes them from observed ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from evalpress.sections.serving import load, point, window
from evalpress.sections.serving.client import Load, Observation
from evalpress.sections.serving.point import Repeat
from evalpress.sections.serving.points import Level, Rate
from evalpress.sections.serving.results import Results

SLO = {"ttft": 100.0, "tpot": 50.0}


def closed(concurrency: int, count: int, ttft_s: float, tpot_s: float, tokens: int = 8) -> list[Observation]:
    """A closed loop whose requests all take the same time but for a little that differs from request to request."""
    rng = np.random.default_rng([concurrency, count])
    free = [0.0] * concurrency
    found = []
    for _ in range(count):
        stream = int(np.argmin(free))
        found.append(observation(free[stream], ttft_s * rng.uniform(0.9, 1.1), [tpot_s] * (tokens - 1)))
        free[stream] = found[-1].ended_s
    return sorted(found, key=lambda one: one.sent_s)


def arrived(rate: float, count: int, ttft_s: float, tpot_s: float, tokens: int = 8) -> list[Observation]:
    """An open loop with even gaps."""
    return [observation(index / rate, ttft_s, [tpot_s] * (tokens - 1)) for index in range(count)]


def observation(sent_s: float, ttft_s: float, gaps_s: list[float], **changed: Any) -> Observation:
    """One answered request of 16 prompt tokens."""
    whole = {
        "sent_s": sent_s,
        "ended_s": sent_s + ttft_s + sum(gaps_s),
        "ttft_s": ttft_s,
        "gaps_s": tuple(gaps_s),
        "input_tokens": 16,
        "output_tokens": len(gaps_s) + 1,
    }
    return Observation(**(whole | changed))


def repeat(observations: list[Observation], concurrency: int | None = None, cpu_share: float = 0.1) -> Repeat:
    found = window.closed_loop(observations, concurrency) if concurrency else window.open_loop(observations)
    return Repeat(Load(tuple(observations), observations[-1].ended_s, cpu_share), found, concurrency)


def level(mode: str, concurrency: int, repeats: list[Repeat] | None = None, **changed: Any) -> Level:
    """A closed loop; `changed` replaces figures."""
    made = repeats or [repeat(closed(concurrency, 16 + 2 * concurrency, 0.01, 0.002), concurrency)]
    shape = {"mode": mode, "input_len": 16, "output_len": 8, "warmups": 4}
    at = {"concurrency": concurrency, "max_concurrency": concurrency}
    return Level(**(shape | at | point.figures(made, SLO) | changed))


def rate(mode: str, per_second: float, repeats: list[Repeat] | None = None, **changed: Any) -> Rate:
    """An open loop; `changed` replaces figures."""
    made = repeats or [repeat(arrived(per_second, 120, 0.01, 0.002))]
    shape = {"mode": mode, "input_len": 16, "output_len": 8, "request_rate": per_second, "share_of_saturation": 0.5}
    ends = {"arrivals_s": 2.0, "answered_by_last_arrival": 0.9, "late_ms": 0.5}
    return Rate(**(shape | ends | point.figures(made, SLO) | changed))


def server(mode: str) -> dict[str, Any]:
    return {
        "base_url": "http://127.0.0.1:4711",
        "model": "m",
        "command": f"python -m vllm --{mode}",
        "ready_s": 20.0,
        "started": "beside other sections",
    }


def results(**changed: Any) -> Results:
    """Two servers: levels with a knee, the last client-bound in one, and three rates."""
    levels = tuple(
        level(mode, at, [repeat(closed(at, 100 + 2 * at, wait * slower, gap * slower), at)], **_bound(mode, at))
        for mode, slower in (("compiled", 1.0), ("eager", 1.4))
        for at, wait, gap in ((1, 0.006, 0.0023), (4, 0.009, 0.0029), (16, 0.039, 0.0079))
    )
    rates = tuple(
        rate(mode, per_second, slo_attainment=min(1.0, most / per_second))
        for mode, most in (("compiled", 52.0), ("eager", 30.0))
        for per_second in (14.0, 28.0, 42.0)
    )
    asked = {"mode": "compiled", "output": "Paris"}
    whole: dict[str, Any] = {
        "servers": {mode: server(mode) for mode in ("compiled", "eager")},
        "levels": levels,
        "rates": rates,
        "curl": asked | {"argv": ("curl",), "command": "curl", "finish_reason": "stop", "ok": True},
        "stream": asked | {"prompt": "?", "chunks": 2, "ttft_ms": 9.0, "e2el_ms": 12.0},
        "http_cost": (),
        "http_cost_why": "invented",
        "saturation": load.saturation(levels),
        "knees": None,
        "knees_why": "invented",
        "slo_search": None,
        "slo_search_why": "the set asks for none",
        "identities": (),
        "slo_ms": {"ttft": 100.0},
        "windows": {"levels": window.RULE_CLOSED, "rates": window.RULE_OPEN},
        "client": "an invented client",
        "cores": 2,
    }
    return Results(**(whole | changed))


def _bound(mode: str, concurrency: int) -> Mapping[str, Any]:
    return {"client_bound": True} if mode == "eager" and concurrency == 16 else {}


def document(**changed: Any) -> Any:
    """What tables and figures read of a results file."""
    return SimpleNamespace(data=results(**changed), params={})
