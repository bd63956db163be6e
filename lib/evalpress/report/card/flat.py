"""The flat results files of a card, under the names that such repositories use, computed from the report's results."""

from __future__ import annotations

from typing import Any

from evalpress.params.engine import EAGER
from evalpress.report.card import acceptance
from evalpress.report.card.source import Source

_START = ("import_s", "load_weights_s", "compile_s", "graph_capture_s", "captured_graphs", "kv_cache_s", "total_s")
_LOAD = (
    *("duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput"),
    *("output_throughput", "total_token_throughput", "prefill_throughput", "decode_throughput"),
    *(f"{kind}_{name}_ms" for name in ("ttft", "tpot", "itl", "e2el") for kind in ("mean", "median", "p99")),
)
_LOGITS = (
    *("n_positions", "top1_agreement", "top5_overlap", "cosine_similarity", "mse", "rmse", "max_abs_err"),
    *("mean_abs_err", "relative_euclidean_distance", "kl_divergence", "noise_ratio", "match_within_1_percent"),
)


def files(source: Source) -> dict[str, Any]:
    """File name -> content, for every section that has results."""
    head = {
        "model": source.summary["model"],
        "device": source.provenance["device"],
        "versions": source.provenance["versions"],
        "measured_with": f"Evalpress {source.provenance['suite_version']}",
    }
    out: dict[str, Any] = {}
    if benchmark := source.data("benchmark"):
        for mode in benchmark["modes"]:
            out["benchmark.json" if mode == EAGER else f"benchmark_{mode}.json"] = head | _benchmark(benchmark, mode)
    if quality := source.data("quality"):
        out["quality_eval.json"] = head | _quality(quality)
    if evidence := source.data("evidence"):
        out["inference_evidence.json"] = head | _evidence(evidence)
    if alignment := source.data("alignment"):
        out["precision_comparison.json"] = head | _precision(alignment) | {"acceptance": acceptance.pack(source)}
    return out


def _some(found: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """These keys, each null with its reason beside it."""
    out = {}
    for key in keys:
        out[key] = found.get(key)
        if out[key] is None:
            out[f"{key}_why"] = found.get(f"{key}_why", "not measured")
    return out


def _benchmark(benchmark: dict[str, Any], mode: str) -> dict[str, Any]:
    found = benchmark["modes"][mode]
    loads = {name: benchmark["workloads"][name] | _some(load, _LOAD) for name, load in found["workloads"].items()}
    memory = {key: value for key, value in found["memory"].items() if not key.startswith("activation")}
    return {"mode": mode, "startup": _some(found["startup"], _START), "memory": memory, "workloads": loads}


def _quality(quality: dict[str, Any]) -> dict[str, Any]:
    keys = ("id", "category", "prompt", "output", "checker", "verdict", "reason")
    cases = [{key: case.get(key) for key in keys} for case in quality["cases"]]
    return {"by_category": quality["by_category"], "cases": cases}


def _evidence(evidence: dict[str, Any]) -> dict[str, Any]:
    keys = ("id", "prompt", "output", "output_token_ids", "finish_reason", "latency_s", "sha256")
    cases = [{key: case.get(key) for key in keys} for case in evidence["cases"]]
    checks = [_some(check, ("rung", "identical", "of")) for check in evidence["determinism"]]
    return {"sampling": evidence["sampling"], "cases": cases, "determinism": checks}


def _precision(alignment: dict[str, Any]) -> dict[str, Any]:
    candidates = {
        name: _some(found, _LOGITS) | {"flips": found["flips"]} for name, found in alignment["candidates"].items()
    }
    return {
        "reference": alignment["reference"],
        "noise_floor": _some(alignment["noise_floor"], _LOGITS),
        "candidates": candidates,
    }
