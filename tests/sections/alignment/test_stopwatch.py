"""The section's time by part: what is inside a part counts for itself alone, and all parts add up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from evalpress.sections.alignment import stopwatch
from evalpress.sections.alignment.stopwatch import COMPARISONS, ENGINE_LOADS, ENGINE_STEPS, FORWARD_PASSES, Stopwatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    return now


def test_parts_inside_parts_and_waiting_for_a_stream(clock: list[float]) -> None:
    watch = Stopwatch()
    clock[0] += 1  # before any part
    with watch.part(ENGINE_LOADS):
        clock[0] += 10
        with watch.part(ENGINE_STEPS):
            clock[0] += 20
        clock[0] += 3

    def stream() -> Iterator[int]:
        for item in range(2):
            clock[0] += 100
            yield item

    with watch.part(COMPARISONS):
        for _ in watch.waiting(FORWARD_PASSES, stream()):
            clock[0] += 5
    found = watch.split()
    assert found.engine_loads_s == 13
    assert found.engine_steps_s == 20
    assert found.forward_passes_s == 200
    assert found.comparisons_s == 10
    assert found.other_s == 1
    assert found.total_s == 244
    assert found.comparisons_share == pytest.approx(10 / 244)


def test_a_part_that_raises_is_closed(clock: list[float]) -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.part(ENGINE_STEPS):
        clock[0] += 2
        raise ZeroDivisionError
    clock[0] += 7
    assert (watch.split().engine_steps_s, watch.split().other_s) == (2, 7)
