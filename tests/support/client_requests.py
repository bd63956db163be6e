"""Simulated requests, which the writers of client_files and client_databases put into each tool's format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

USAGE_S = 0.003
"""From the last token to the usage chunk that ends the stream."""


@dataclass(frozen=True)
class Sent:
    """One simulated request; seconds."""

    sent: float
    ttft: float
    gaps: tuple[float, ...]
    inputs: int = 32

    @property
    def outputs(self) -> int:
        return len(self.gaps) + 1

    @property
    def e2el(self) -> float:
        return self.ttft + sum(self.gaps)

    @property
    def end(self) -> float:
        return self.e2el + USAGE_S

    @property
    def tpot(self) -> float:
        return sum(self.gaps) / len(self.gaps)


def simulated(count: int = 40, seed: int = 0, length: int | None = None) -> list[Sent]:
    """Requests in a closed loop of four; output lengths differ unless one is given."""
    random = np.random.default_rng(seed)
    free, found = [0.0] * 4, []
    for _ in range(count):
        slot = int(np.argmin(free))
        tokens = length or int(random.integers(4, 20))
        gaps = tuple(float(gap) for gap in random.gamma(4, 0.0015, tokens - 1))
        one = Sent(free[slot], float(random.gamma(5, 0.005)), gaps)
        free[slot] += one.end + 0.001
        found.append(one)
    return found


def summary(values: Sequence[float]) -> dict[str, float]:
    points = {f"p{share}": float(np.percentile(values, share)) for share in (90, 99)}
    return {"mean": float(np.mean(values)), "median": float(np.median(values)), "std": float(np.std(values))} | points


def nearest(values: Sequence[float], share: float, weights: Sequence[float] | None = None) -> float:
    order = np.argsort(values)
    each = np.ones(len(values)) if weights is None else np.asarray(weights)
    reached = np.cumsum(each[order]) / each.sum()
    return float(np.asarray(values)[order][int(np.searchsorted(reached, share - 1e-12))])
