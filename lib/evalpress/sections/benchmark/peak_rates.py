"""What this device can do at best: memory bandwidth and matrix rate, measured several times in the run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalpress.core.errors import MeasurementError
from evalpress.core.results import nulls
from evalpress.params.schema import Params
from evalpress.platforms import rates
from evalpress.sections.benchmark.results import PeakRates, PeakRound

_COPY_BYTES = {"cpu": 2**28, "cuda": 2**32, "ascend": 2**31}
_MATRIX = {"cpu": (512, 1024, 1536), "cuda": (8192,), "ascend": (8192,)}

NEAR = 0.5
"""A kind of product that reached this share of the best is measured again, because rates vary between rounds."""


def device_name(backend: str) -> str:
    """torch's name of the backend's device."""
    return {"cpu": "cpu", "cuda": "cuda", "ascend": "npu"}[backend]


class PeakMeter:
    """Measures the peak rates in several rounds; the best of all rounds counts.

    During one round other programs may use the machine; shares of its rates would then be
    above 1. Rounds after the first repeat only the kinds of products that came near the best one.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._rounds: list[PeakRound] = []
        self._raw: dict[str, list[float]] = {"memory_bandwidth_gb_s": [], "matmul_tflop_s": []}
        self._best_product: rates.Product | None = None
        self._in_dtype: float = 0.0
        self._near: rates.Kinds | None = None

    def measure(self, when: str) -> None:
        """One more round, if the set has peak rates switched on. A device without room for it is no error."""
        if not self._params.benchmark.ceilings:
            return
        backend = self._params.platform.backend
        device = device_name(backend)
        start = time.perf_counter()
        try:
            seed = self._params.engine.seed
            measured = rates.peaks(device, _COPY_BYTES[backend], self._dtypes(), _MATRIX[backend], seed, self._near)
        except (RuntimeError, MeasurementError) as error:  # torch's OutOfMemoryError is a RuntimeError
            why = f"not measured at this moment: {str(error).splitlines()[0]}"
            self._rounds.append(PeakRound(when=when, **nulls(self._raw, why)))
            return
        copies, products = measured.copies, measured.products
        best = max(products, key=lambda product: product.flop_s)
        if self._best_product is None or best.flop_s > self._best_product.flop_s:
            self._best_product = best
        here = [product.flop_s for product in products if product.form.endswith(f" in {self._params.engine.dtype}")]
        self._in_dtype = max([self._in_dtype, *here])
        self._near = self._near or frozenset((p.size, p.form) for p in products if p.flop_s >= NEAR * best.flop_s)
        self._raw["memory_bandwidth_gb_s"] += [rate / 1e9 for rate in copies]
        self._raw["matmul_tflop_s"] += [product.flop_s / 1e12 for product in products]
        self._rounds.append(
            PeakRound(
                when=when,
                seconds=time.perf_counter() - start,
                memory_bandwidth_gb_s=max(copies) / 1e9,
                matmul_tflop_s=best.flop_s / 1e12,
            )
        )

    def _dtypes(self) -> tuple[str, ...]:
        """A processor without units for the engine's dtype computes in float32, whose rate is then the bound."""
        dtype = self._params.engine.dtype
        return (dtype, "float32") if self._params.platform.backend == "cpu" and dtype != "float32" else (dtype,)

    def result(self) -> tuple[PeakRates | None, str | None]:
        """The best of all rounds, or None and why."""
        if not self._params.benchmark.ceilings:
            return None, "benchmark.ceilings is off"
        if self._best_product is None:
            return None, "; ".join(str(one.matmul_tflop_s_why) for one in self._rounds) or "no round was measured"
        return _peak_rates(self._params, self._rounds, self._raw, self._best_product, self._in_dtype), None


def _peak_rates(
    params: Params, rounds: Sequence[PeakRound], raw: Mapping[str, Sequence[float]], best: rates.Product, dtype: float
) -> PeakRates:
    import torch

    return PeakRates(
        memory_bandwidth_gb_s=max(raw["memory_bandwidth_gb_s"]),
        matmul_tflop_s=max(raw["matmul_tflop_s"]),
        copy_bytes=_COPY_BYTES[params.platform.backend],
        matrix_size=best.size,
        matrix_form=best.form,
        engine_dtype_tflop_s=dtype / 1e12 if dtype else None,
        engine_dtype_tflop_s_why=None if dtype else "no product in the engine's dtype was measured",
        threads=torch.get_num_threads(),
        cache_bytes=_cache_bytes() if params.platform.backend == "cpu" else None,
        rounds=tuple(rounds),
        raw={key: tuple(values) for key, values in raw.items()},
    )


def _cache_bytes() -> int | None:
    """Size of the processor's largest cache in bytes, as Linux reports it."""
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text(encoding="ascii").strip()
        scale = {"K": 2**10, "M": 2**20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM")) * scale)
    return max(sizes, default=None)
