"""How fast a device is at best, measured: repeats of one piece of work, large copies and square matrix products."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from evalpress.core.plain import Json
from evalpress.platforms import child

REPEATS = 7
ENOUGH_S = 0.25
"""Repeats of one piece of work end after this many seconds."""


@dataclass(frozen=True)
class Product:
    """One measured matrix product: floating-point operations per second (a multiply-add is two)."""

    size: int
    form: str
    flop_s: float


@dataclass(frozen=True)
class Peaks:
    """What was measured of a device: bytes per second of copies, and matrix products."""

    copies: tuple[float, ...]
    products: tuple[Product, ...]


Kinds = frozenset[tuple[int, str]]
"""Kinds of matrix products: size and form."""


def peaks(
    device: str, copy_bytes: int, dtypes: Sequence[str], sizes: Sequence[int], seed: int = 0, only: Kinds | None = None
) -> Peaks:
    """Copies and products of a device: a CPU's here, an accelerator's in a process that ends.

    Args:
        only: the kinds of products to measure; None: all.

    Raises:
        RuntimeError: torch could not do it here, such as for want of memory.
        MeasurementError: the same in the other process.
    """
    if device == "cpu":
        products = matrix_rates(device, dtypes, sizes, seed, only)
        return Peaks(tuple(copy_bandwidths(device, copy_bytes)), tuple(products))
    found = child.call(f"{__name__}:_peaks_here", device, copy_bytes, list(dtypes), list(sizes), seed, only)
    return Peaks(tuple(found["copies"]), tuple(Product(**product) for product in found["products"]))


def _peaks_here(
    device: str, copy_bytes: int, dtypes: list[str], sizes: list[int], seed: int, only: Kinds | None
) -> Json:
    products = [asdict(product) for product in matrix_rates(device, dtypes, sizes, seed, only)]
    return {"copies": copy_bandwidths(device, copy_bytes), "products": products}


def times(work: Callable[[], object], device: str) -> list[float]:
    """Seconds of at most `REPEATS` synchronised runs of `work` on torch's `device`, after one that does not count.

    Slow work is repeated less often: the repeats end after `ENOUGH_S` seconds.
    """
    import torch

    def wait() -> None:
        if device != "cpu":
            getattr(torch, device).synchronize()

    work()
    wait()
    out: list[float] = []
    while len(out) < REPEATS and sum(out) < ENOUGH_S:
        start = time.perf_counter()
        work()
        wait()
        out.append(time.perf_counter() - start)
    return out


def copy_bandwidths(device: str, size: int) -> list[float]:
    """Bytes per second, read plus written, of repeated copies of `size` bytes on torch's `device`."""
    import torch

    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    return [2 * size / seconds for seconds in times(lambda: target.copy_(source), device)]


def matrix_products(device: str, dtype: str, size: int, seed: int = 0) -> list[float]:
    """Floating-point operations per second (a multiply-add is two) of repeated products of two square matrices."""
    return [product.flop_s for product in matrix_rates(device, [dtype], [size], seed)]


def matrix_rates(
    device: str, dtypes: Sequence[str], sizes: Sequence[int], seed: int = 0, only: Kinds | None = None
) -> list[Product]:
    """Repeated products of square matrices in every dtype, size and form; the fastest is the device's peak.

    Forms: `a @ b`, and `linear`, which a library may compute with another kernel (on a CPU without units for bfloat16
    it was ten times as fast). A larger size of a form is left out where one product of it would take longer than
    `ENOUGH_S`, by the rate of the size before.

    Args:
        only: the kinds of products to measure; None: all.
    """
    import torch

    forms: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
        "a @ b": torch.matmul,
        "linear": torch.nn.functional.linear,
    }
    found: list[Product] = []
    for dtype, (name, multiply) in itertools.product(dtypes, forms.items()):
        form, reached = f"{name} in {dtype}", 0.0
        for size in sorted(sizes):
            if only is not None and (size, form) not in only:
                continue
            if reached and 2 * size**3 / reached > ENOUGH_S:
                break
            generator = torch.Generator().manual_seed(seed)
            a, b = (
                torch.randn(size, size, generator=generator).to(device=device, dtype=getattr(torch, dtype))
                for _ in range(2)
            )
            products = [Product(size, form, 2 * size**3 / one) for one in times(partial(multiply, a, b), device)]
            reached = max(product.flop_s for product in products)
            found += products
    return found
