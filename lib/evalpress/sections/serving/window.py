"""The part of a run during which its load is constant; ramp before and cool-down after it are not counted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalpress.sections.serving.client import Observation

RULE_CLOSED = (
    "From the sending of the first request that is not of the first wave (one per stream, sent together) to the "
    "sending of the last one; during this time every stream has a request in flight."
)
RULE_OPEN = (
    "From the moment when the requests in flight first reach their mean over the second half of the arrivals (rounded "
    "down) to the last arrival."
)
DRIFT = 0.25
"""Mean E2EL of the window's last third may differ from its first third's by this share of it, or the point drifts."""
_ENOUGH = 12
"""Fewest requests for a drift."""


@dataclass(frozen=True)
class Window:
    """Bounds in seconds since the start of the load.

    `counted` are the requests sent in the window before the first one that ended after it: all of their duration is in
    it, and they are not selected by their length.
    """

    begin: float
    end: float
    counted: tuple[Observation, ...]
    why_whole: str | None = None
    """Why the window is the whole run; None where ramp and cool-down are left out."""

    @property
    def length(self) -> float:
        return self.end - self.begin


def closed_loop(observations: Sequence[Observation], concurrency: int) -> Window:
    """The window of a closed loop; observations in the order of sending."""
    if len(observations) <= concurrency:
        return whole(observations, "every request belongs to the first wave")
    begin, end = observations[concurrency].sent_s, observations[-1].sent_s
    return _between(observations, begin, end)


def open_loop(observations: Sequence[Observation]) -> Window:
    """The window of an open loop; observations in the order of sending."""
    first, last = observations[0].sent_s, observations[-1].sent_s
    if last <= first:
        return whole(observations, "there was a single arrival")
    level = math.floor(in_flight(observations, (first + last) / 2, last))
    sent = np.array([o.sent_s for o in observations])
    ended = np.sort([o.ended_s for o in observations])
    at_sending = np.arange(1, sent.size + 1) - np.searchsorted(ended, sent, side="right")
    reached = np.flatnonzero(at_sending >= level)
    return _between(observations, float(sent[reached[0]]) if reached.size else first, last)


def whole(observations: Sequence[Observation], why: str) -> Window:
    """The whole run, where there is no window in it."""
    end = max(o.ended_s for o in observations)
    return Window(observations[0].sent_s, end, tuple(observations), why)


def _between(observations: Sequence[Observation], begin: float, end: float) -> Window:
    late = [o.sent_s for o in observations if o.ended_s > end]
    until = min(late, default=end)
    counted = tuple(o for o in observations if begin <= o.sent_s < until)
    if not counted:
        return whole(observations, "no request was sent and answered while the load stood")
    return Window(begin, end, counted)


def in_flight(observations: Sequence[Observation], begin: float, end: float) -> float:
    """Requests in flight, averaged over the time from `begin` to `end`."""
    shared = [min(o.ended_s, end) - max(o.sent_s, begin) for o in observations]
    return sum(max(part, 0.0) for part in shared) / (end - begin)


def share(one: Observation, window: Window) -> float:
    """The part of a request that is in the window, 0 to 1: the share of its output tokens that arrived there.

    Where a chunk holds several tokens, each chunk counts for its share. Without times of tokens, the share of the
    request's duration. Requests are not counted whole: a closed loop sends and ends them in waves, and a window
    between two waves holds the ends of one wave more than it has room for.
    """
    if one.ttft_s is None:
        duration = one.ended_s - one.sent_s
        overlap = min(one.ended_s, window.end) - max(one.sent_s, window.begin)
        return max(overlap, 0.0) / duration if duration > 0 else float(window.begin <= one.ended_s <= window.end)
    stamps = one.sent_s + one.ttft_s + np.concatenate([[0.0], np.cumsum(one.gaps_s)])
    inside: NDArray[np.bool_] = (stamps >= window.begin) & (stamps <= window.end)
    return float(inside.mean())


def tokens(observations: Sequence[Observation], window: Window) -> float:
    """Output tokens that arrived in the window."""
    return sum(share(one, window) * one.output_tokens for one in observations if one.ttft_s is not None)


def requests(observations: Iterable[Observation], window: Window) -> float:
    """Answered requests, each by its share in the window."""
    return sum(share(one, window) for one in observations if one.error is None)


def drift(window: Window) -> float | None:
    """How much longer requests took at the window's end than at its start, as a share; None for too few requests."""
    times = [o.e2el_s for o in window.counted if o.e2el_s is not None]
    if len(times) < _ENOUGH:
        return None
    third = len(times) // 3
    return float(np.mean(times[-third:]) / np.mean(times[:third]) - 1)
