"""What must hold of every point of the load curve; a broken one fails a gate, the figures stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from evalpress.sections.serving.client import Observation
from evalpress.sections.serving.point import Repeat
from evalpress.sections.serving.results import Invariant

Holds = Callable[[Repeat], bool | None]
"""None where this repeat has no evidence."""


def check(
    repeats: Mapping[tuple[str, str], Sequence[Repeat]], input_len: int, output_len: int
) -> tuple[Invariant, ...]:
    """Every invariant with the number of runs that satisfy it; runs by mode and name of their point."""
    statements: dict[str, tuple[str, Holds]] = {
        "output_len": (
            "every answered request generated output_len tokens (ignore_eos)",
            lambda repeat: all(one.output_tokens == output_len for one in _answered(repeat)),
        ),
        "input_len": (
            "the server counts as many prompt tokens as were sent",
            lambda repeat: _all(
                None if o.input_tokens is None else o.input_tokens == input_len for o in _answered(repeat)
            ),
        ),
        "server_tokens": (
            "the server's counters (/metrics) grew by the tokens that the client sent and received",
            lambda repeat: None if repeat.counted is None else repeat.counted.by_server == repeat.counted.by_client,
        ),
        "in_flight": (
            "a closed loop never has more requests in flight than its level",
            lambda repeat: None if repeat.concurrency is None else highest(repeat.observations) <= repeat.concurrency,
        ),
    }
    return tuple(_judged(name, statement, holds, repeats) for name, (statement, holds) in statements.items())


def highest(observations: Sequence[Observation]) -> int:
    """The most requests that were in flight at one time."""
    sent = np.sort([one.sent_s for one in observations])
    ended = np.sort([one.ended_s for one in observations])
    return int(np.max(np.arange(1, sent.size + 1) - np.searchsorted(ended, sent, side="right")))


def _judged(name: str, statement: str, holds: Holds, repeats: Mapping[tuple[str, str], Sequence[Repeat]]) -> Invariant:
    found = [(where, holds(one)) for where, each in repeats.items() for one in each]
    told = [(where, held) for where, held in found if held is not None]
    broken = [where for where, held in told if not held]
    if not told:
        return Invariant(id=name, statement=statement, status="n/a", found="no server tells")
    shown = f"{len(told) - len(broken)} of {len(told)} runs"
    if broken:
        mode, point = broken[0]
        shown += f", first broken: {mode}, {point}"
    return Invariant(id=name, statement=statement, status="broken" if broken else "ok", found=shown)


def _answered(repeat: Repeat) -> Iterator[Observation]:
    return (one for one in repeat.observations if one.error is None)


def _all(values: Iterator[bool | None]) -> bool | None:
    told = [value for value in values if value is not None]
    return all(told) if told else None
