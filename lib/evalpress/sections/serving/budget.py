"""Less of the load on the servers where `run.budget_minutes` does not allow all of it, and what was left out."""

from __future__ import annotations

from evalpress.params.schema import ServingParams, SloSearchParams, StartsParams
from evalpress.sections.fewer import Words, count, gone, thinned, told
from evalpress.sections.serving.left_out import COLD, SEARCH, WARM

MIN_REQUESTS = 8
MIN_RATE_S = 5.0
"""Shortest arrivals at a rate, in s."""
MIN_STEPS = 2
"""A search for the highest rate of fewer steps brackets nothing: it is left out."""


def scaled(asked: ServingParams, factor: float) -> tuple[ServingParams, Words]:
    """The load in about `factor` of its time; all of it from 1 on.

    Repeats and further starts are left out first, then levels and rates (the first and the last stay), then requests
    per level and seconds per rate.
    """
    if factor >= 1:
        return asked, ()
    repeats = count(asked.repeats, factor)
    rest = min(1.0, factor * asked.repeats / repeats)
    levels, shares = thinned(asked.concurrency, rest), thinned(asked.rate_shares, rest)
    rest = min(1.0, rest * len(asked.concurrency) / len(levels))
    requests = count(asked.requests_per_level, rest, MIN_REQUESTS)
    seconds = min(asked.rate_seconds, max(MIN_RATE_S, round(asked.rate_seconds * rest, 1)))
    starts, no_starts = _fewer_starts(asked.starts, factor)
    search, no_search = _shorter_search(asked.slo_search, factor)
    changes = {"repeats": repeats, "concurrency": levels, "rate_shares": shares, "requests_per_level": requests}
    changes |= {"rate_seconds": seconds, "starts": starts, "slo_search": search}
    said = (
        told(asked.repeats, repeats, "repeats of every level and rate")
        + gone(asked.concurrency, levels, "concurrency")
        + gone(asked.rate_shares, shares, "rates at these shares of saturation")
        + told(asked.requests_per_level, requests, "requests per level")
        + told(asked.rate_seconds, seconds, "seconds of arrivals per rate")
    )
    return asked.model_copy(update=changes), said + no_search + no_starts


def _fewer_starts(asked: StartsParams, factor: float) -> tuple[StartsParams, Words]:
    cold, warm = count(asked.cold, factor, 0), count(asked.warm, factor, 0)
    said = told(asked.cold, cold, COLD) + told(asked.warm, warm, WARM)
    return asked.model_copy(update={"cold": cold, "warm": warm}), said


def _shorter_search(asked: SloSearchParams | None, factor: float) -> tuple[SloSearchParams | None, Words]:
    if asked is None:
        return None, ()
    steps = int(asked.steps * factor)
    if steps < min(asked.steps, MIN_STEPS):
        return None, (SEARCH,)
    return asked.model_copy(update={"steps": steps}), told(asked.steps, steps, "steps of the search for a rate")
