"""What this device can do at best: memory bandwidth and matrix rate, measured in the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalpress.model import ArchitectureFacts
from evalpress.params.schema import Params
from evalpress.platforms import rates

_COPY_BYTES = {"cpu": 2**28, "cuda": 2**32, "ascend": 2**31}
_MATRIX = {"cpu": 1536, "cuda": 8192, "ascend": 8192}


def device_name(backend: str) -> str:
    """torch's name of the backend's device."""
    return {"cpu": "cpu", "cuda": "cuda", "ascend": "npu"}[backend]


def measure(params: Params) -> dict[str, Any]:
    """Best of several large copies (bytes read plus written per second) and of several square matrix products.

    Returns:
        `memory_bandwidth_gb_s` (1e9 bytes), `matmul_tflop_s` in the engine's dtype, and all repeats in `raw`.
    """
    import torch

    device = device_name(params.platform.backend)
    count = _COPY_BYTES[params.platform.backend]
    source = torch.ones(count // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    copies = [2 * count / seconds / 1e9 for seconds in rates.times(lambda: target.copy_(source), device)]
    n = _MATRIX[params.platform.backend]
    products = [rate / 1e12 for rate in rates.matrix_products(device, params.engine.dtype, n, params.engine.seed)]
    return {
        "memory_bandwidth_gb_s": max(copies),
        "matmul_tflop_s": max(products),
        "copy_bytes": count,
        "matrix_size": n,
        "threads": torch.get_num_threads(),
        "raw": {"memory_bandwidth_gb_s": copies, "matmul_tflop_s": products},
    }


_SHARES = ("bandwidth_bound_tok_s", "arithmetic_bound_tok_s", "mbu", "mfu", "decode_limited_by", "prefill_limited_by")


def utilisation(
    workload: dict[str, Any], shape: dict[str, Any], facts: ArchitectureFacts, ceiling: dict[str, Any]
) -> dict[str, Any]:
    """Model bandwidth utilisation of decoding and model FLOPs utilisation of prefill, against the measured ceilings.

    Args:
        workload: figures of one mode and workload.
        shape: its `num_prompts`, `input_len`, `output_len`, `concurrent`.
        facts: bytes of the weights, KV bytes per token, FLOPs per token.
        ceiling: what `measure` returned.

    Returns:
        `mbu`, `mfu` (ratios), the bounds they imply: `bandwidth_bound_tok_s`, `arithmetic_bound_tok_s`, and what
        limits each phase, by its share of either ceiling: `decode_limited_by`, `prefill_limited_by`.
    """
    batch = shape["num_prompts"] if shape["concurrent"] else 1
    context = shape["input_len"] + shape["output_len"] / 2
    bandwidth_bound = decode_bound(facts, batch, context, ceiling)
    per_token = facts.flops_per_token(shape["input_len"])
    per_generated = facts.flops_per_token(max(1, round(context)))
    if bandwidth_bound is None or per_token is None or per_generated is None or facts.read_bytes is None:
        why = facts.flops_unknown or facts.reasons()["kv_bytes_per_token"]
        return dict.fromkeys(_SHARES) | {f"{key}_why": why for key in _SHARES}
    arithmetic_bound = ceiling["matmul_tflop_s"] * 1e12 / per_token
    out: dict[str, Any] = {
        "bandwidth_bound_tok_s": bandwidth_bound,
        "arithmetic_bound_tok_s": arithmetic_bound,
    }
    for key, rate, bound in (
        ("mbu", workload["decode_throughput"], bandwidth_bound),
        ("mfu", workload["prefill_throughput"], arithmetic_bound),
    ):
        out[key] = rate / bound if rate is not None else None
        if rate is None:
            out[f"{key}_why"] = "the rate was not observed"
    flops, bandwidth = ceiling["matmul_tflop_s"] * 1e12, ceiling["memory_bandwidth_gb_s"] * 1e9
    decode_arithmetic = flops / per_generated
    prefill_bandwidth = bandwidth / facts.read_bytes * batch * shape["input_len"]
    out |= _limit("decode", workload["decode_throughput"], bandwidth_bound, decode_arithmetic)
    return out | _limit("prefill", workload["prefill_throughput"], prefill_bandwidth, arithmetic_bound)


def _limit(phase: str, rate: float | None, bandwidth_bound: float, arithmetic_bound: float) -> dict[str, Any]:
    key = f"{phase}_limited_by"
    if rate is None:
        return {key: None, f"{key}_why": "the rate was not observed"}
    return {key: regime({"memory bandwidth": rate / bandwidth_bound, "arithmetic": rate / arithmetic_bound})}


def decode_bound(facts: ArchitectureFacts, batch: int, context: float, ceiling: dict[str, Any]) -> float | None:
    """Tokens/s that memory bandwidth allows: one step reads the weights once and each request's KV cache.

    None where the model's facts do not tell the bytes.

    Args:
        context: cached tokens per request, at mid-generation.
    """
    kept = facts.kv_bytes_read(context)
    if facts.read_bytes is None or kept is None:
        return None
    step_bytes = facts.read_bytes + batch * kept
    return float(batch * ceiling["memory_bandwidth_gb_s"] * 1e9 / step_bytes)


def regime(shares: Mapping[str, float]) -> str:
    """Which ceiling limits a phase, by the share of each that it reaches; launching is what is left below a tenth."""
    nearest = max(shares, key=lambda name: shares[name])
    return nearest if shares[nearest] >= 0.1 else "launch overhead"
