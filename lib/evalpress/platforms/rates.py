"""How fast a device is at best, measured: repeats of one piece of work, and large square matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 7


def times(work: Callable[[], object], device: str) -> list[float]:
    """Seconds of `REPEATS` runs of `work` on torch's `device`, each waited for, after one that does not count."""
    import torch

    def wait() -> None:
        if device != "cpu":
            getattr(torch, device).synchronize()

    work()
    wait()
    out = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        wait()
        out.append(time.perf_counter() - start)
    return out


def matrix_products(device: str, dtype: str, size: int, seed: int = 0) -> list[float]:
    """Floating-point operations per second (a multiply-add is two) of repeated products of two square matrices."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    a, b = (
        torch.randn(size, size, generator=generator).to(device=device, dtype=getattr(torch, dtype)) for _ in range(2)
    )
    return [2 * size**3 / seconds for seconds in times(lambda: a @ b, device)]
