"""Rates compared with what memory bandwidth and matrix rate allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalpress.core.results import nulls
from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Params
from evalpress.sections.benchmark.results import NEITHER, PeakRates, Roofline, WorkloadShape
from evalpress.sections.benchmark.speed_results import SpeedFigures

_OFF = "benchmark.ceilings is off"
_NO_RATE = "the rate was not observed"


@dataclass(frozen=True)
class Bounds:
    """Tokens per second that either peak rate allows in each phase; None where the model's facts are not known."""

    decode_bandwidth: float | None
    decode_arithmetic: float | None
    prefill_bandwidth: float | None
    prefill_arithmetic: float | None
    bytes_unknown: str | None
    flops_unknown: str | None


def devices(params: Params, requests: int) -> int:
    """Devices that work at the same time on `requests` requests, each with the peak rates of one.

    Tensor parallel ranks share every step. Pipeline stages work at the same time only on different requests, data
    parallel replicas have requests of their own. Ranks on a CPU share the host, whose peak rates are measured with
    all its threads: together they are one device.
    """
    e = params.engine
    if params.platform.backend == "cpu":
        return 1
    replicas = min(e.data_parallel_size, requests)
    stages = min(e.pipeline_parallel_size, max(1, requests // replicas))
    return e.tensor_parallel_size * stages * replicas


def bounds(
    facts: ArchitectureFacts, batch: int, input_len: int, output_len: int, peaks: PeakRates, devices: int
) -> Bounds:
    """All four bounds of `batch` requests of this shape.

    A decode step reads the weights in use once and each request's KV cache, at mid-generation. From a vocabulary table
    only the rows of its tokens are read, which is negligible. In a mixture of experts at least the experts of one token
    are read: how many more the other tokens need depends on the routing.
    """
    context = input_len + output_len / 2
    bandwidth, flops = devices * peaks.memory_bandwidth_gb_s * 1e9, devices * peaks.matmul_tflop_s * 1e12
    kept, read = facts.kv_bytes_read(context), facts.read_bytes
    per_generated, per_prompt = facts.decode_flops(max(1, round(context))), facts.flops_per_token(input_len)
    unknown = next((key for key, value in (("read_bytes", read), ("kv_bytes_per_token", kept)) if value is None), None)
    return Bounds(
        decode_bandwidth=None if read is None or kept is None else batch * bandwidth / (read + batch * kept),
        decode_arithmetic=None if per_generated is None else flops / per_generated,
        prefill_bandwidth=None if read is None else batch * input_len * bandwidth / read,
        prefill_arithmetic=None if per_prompt is None else flops / per_prompt,
        bytes_unknown=facts.reasons()[unknown] if unknown else None,
        flops_unknown=facts.flops_unknown,
    )


def roofline(
    params: Params, speed: SpeedFigures, shape: WorkloadShape, facts: ArchitectureFacts, peaks: PeakRates | None
) -> Roofline:
    """Model bandwidth utilisation of decoding, model FLOPs utilisation of prefill, and what limits each phase.

    A share above 1 is impossible: the figure is null with the reason, and `invariants` reports it as broken.
    """
    if peaks is None:
        return _nothing(_OFF)
    batch = shape.num_prompts if shape.concurrent else 1
    found = bounds(facts, batch, shape.input_len, shape.output_len, peaks, devices(params, batch))
    mbu, mbu_why = _share(speed.decode_throughput, found.decode_bandwidth, found.bytes_unknown)
    mfu, mfu_why = _share(speed.prefill_throughput, found.prefill_arithmetic, found.flops_unknown)
    unknown = found.flops_unknown or found.bytes_unknown
    decode = {"memory bandwidth": found.decode_bandwidth, "arithmetic": found.decode_arithmetic}
    prefill = {"memory bandwidth": found.prefill_bandwidth, "arithmetic": found.prefill_arithmetic}
    decode_by, decode_why = _limited_by(speed.decode_throughput, decode, unknown)
    prefill_by, prefill_why = _limited_by(speed.prefill_throughput, prefill, unknown)
    return Roofline(
        bandwidth_bound_tok_s=found.decode_bandwidth,
        bandwidth_bound_tok_s_why=found.bytes_unknown if found.decode_bandwidth is None else None,
        arithmetic_bound_tok_s=found.prefill_arithmetic,
        arithmetic_bound_tok_s_why=found.flops_unknown if found.prefill_arithmetic is None else None,
        mbu=mbu,
        mbu_why=mbu_why,
        mfu=mfu,
        mfu_why=mfu_why,
        decode_limited_by=decode_by,
        decode_limited_by_why=decode_why,
        prefill_limited_by=prefill_by,
        prefill_limited_by_why=prefill_why,
    )


def _nothing(why: str) -> Roofline:
    keys = [key for key in Roofline.model_fields if not key.endswith("_why")]
    return Roofline(**nulls(keys, why))


def _share(rate: float | None, bound: float | None, why: str | None) -> tuple[float | None, str | None]:
    """The share of the bound, or None and the reason."""
    if rate is None:
        return None, _NO_RATE
    if bound is None:
        return None, why
    share = rate / bound
    return (None, above_one(share)) if share > 1 else (share, None)


def above_one(share: float) -> str:
    """Why a share above 1 is not shown."""
    return (
        f"the rate is {share:.2f} times what the measured peak allows, which cannot be: the peak was measured too low, "
        "or the model's arithmetic does not describe what the engine does"
    )


def _limited_by(
    rate: float | None, bounds: Mapping[str, float | None], why: str | None
) -> tuple[str | None, str | None]:
    """The bottleneck in words, or None and the reason."""
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    if rate is None:
        return None, _NO_RATE
    if len(known) < len(bounds):
        return None, why
    shares = {name: rate / bound for name, bound in known.items()}
    if max(shares.values()) > 1:
        return None, above_one(max(shares.values()))
    return bottleneck(shares), None


def bottleneck(shares: Mapping[str, float]) -> str:
    """Which peak rate limits a phase, by the share of each that it reaches; below a tenth, neither does.

    What does then (kernels that are slow in this dtype or at this shape, the launching of steps, scheduling), no figure
    of this suite tells apart.
    """
    nearest = max(shares, key=lambda name: shares[name])
    return nearest if shares[nearest] >= 0.1 else NEITHER
