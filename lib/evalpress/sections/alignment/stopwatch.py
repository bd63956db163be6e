"""Where the section's time goes: engines, forward passes of transformers, comparisons."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from evalpress.sections.alignment.results import Spent

T = TypeVar("T")
ENGINE_LOADS = "engine_loads"
ENGINE_STEPS = "engine_steps"
FORWARD_PASSES = "forward_passes"
COMPARISONS = "comparisons"
PARTS = (ENGINE_LOADS, ENGINE_STEPS, FORWARD_PASSES, COMPARISONS)


class Stopwatch:
    """Seconds by part, from its creation on; a part inside another is counted separately."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._open: list[str] = []
        self._since = self._start
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def _book(self) -> None:
        """Give the time since the last change to the innermost open part."""
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The time of a `with` block, without that of parts inside it."""
        self._book()
        self._open.append(name)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def waiting(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The items; the time that each takes to arrive counts for the part."""
        source = iter(items)
        while True:
            with self.part(name):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def split(self) -> Spent:
        """Seconds of every part, of the rest and of all, and the share of comparisons."""
        total = time.perf_counter() - self._start
        return Spent(
            engine_loads_s=self.seconds[ENGINE_LOADS],
            engine_steps_s=self.seconds[ENGINE_STEPS],
            forward_passes_s=self.seconds[FORWARD_PASSES],
            comparisons_s=self.seconds[COMPARISONS],
            other_s=total - sum(self.seconds.values()),
            total_s=total,
            comparisons_share=self.seconds[COMPARISONS] / total,
        )
