"""Rates compared with what memory bandwidth and matrix rate allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evalpress.core.results import nulls
from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Params
from evalpress.sections.benchmark.results import NEITHER, PeakRates, Roofline, WorkloadShape
from evalpress.sections.benchmark.speed_results import SpeedFigures

_OFF = "benchmark.ceilings is off"


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
    out: dict[str, Any] = {}
    for key, share, bound, rate, why in (
        ("bandwidth_bound_tok_s", "mbu", found.decode_bandwidth, speed.decode_throughput, found.bytes_unknown),
        ("arithmetic_bound_tok_s", "mfu", found.prefill_arithmetic, speed.prefill_throughput, found.flops_unknown),
    ):
        out |= {key: bound} if bound is not None else {key: None, f"{key}_why": why}
        out |= _share(share, rate, bound, why)
    unknown = found.flops_unknown or found.bytes_unknown
    decode = {"memory bandwidth": found.decode_bandwidth, "arithmetic": found.decode_arithmetic}
    prefill = {"memory bandwidth": found.prefill_bandwidth, "arithmetic": found.prefill_arithmetic}
    out |= _limited_by("decode_limited_by", speed.decode_throughput, decode, unknown)
    out |= _limited_by("prefill_limited_by", speed.prefill_throughput, prefill, unknown)
    return Roofline(**out)


def _nothing(why: str) -> Roofline:
    keys = [key for key in Roofline.model_fields if not key.endswith("_why")]
    return Roofline(**nulls(keys, why))


def _share(key: str, rate: float | None, bound: float | None, why: str | None) -> dict[str, Any]:
    if rate is None:
        return {key: None, f"{key}_why": "the rate was not observed"}
    if bound is None:
        return {key: None, f"{key}_why": why}
    share = rate / bound
    if share > 1:
        return {key: None, f"{key}_why": above_one(share)}
    return {key: share}


def above_one(share: float) -> str:
    """Why a share above 1 is not shown."""
    return (
        f"the rate is {share:.2f} times what the measured peak allows, which cannot be: the peak was measured too low, "
        "or the model's arithmetic does not describe what the engine does"
    )


def _limited_by(
    key: str, rate: float | None, bounds: Mapping[str, float | None], why: str | None
) -> dict[str, str | None]:
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    if rate is None:
        return {key: None, f"{key}_why": "the rate was not observed"}
    if len(known) < len(bounds):
        return {key: None, f"{key}_why": why}
    shares = {name: rate / bound for name, bound in known.items()}
    if max(shares.values()) > 1:
        return {key: None, f"{key}_why": above_one(max(shares.values()))}
    return {key: bottleneck(shares)}


def bottleneck(shares: Mapping[str, float]) -> str:
    """Which peak rate limits a phase, by the share of each that it reaches; below a tenth, neither does.

    What does then (kernels that are slow in this dtype or at this shape, the launching of steps, scheduling), no figure
    of this suite tells apart.
    """
    nearest = max(shares, key=lambda name: shares[name])
    return nearest if shares[nearest] >= 0.1 else NEITHER
