"""The flat results files of a card, under the names that such repositories use, computed from the report's results."""

from __future__ import annotations

from collections.abc import Mapping

from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.params.engine import EAGER
from evalpress.report.card import acceptance
from evalpress.report.card.source import Source
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.results import ModeResults, WorkloadShape
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.quality.results import Results as Quality

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


def files(source: Source) -> dict[str, Json]:
    """File name -> content, for every section that has results."""
    head: Json = {
        "model": source.summary.model,
        "device": source.provenance["device"],
        "versions": source.provenance["versions"],
        "measured_with": f"Evalpress {source.provenance['suite_version']}",
    }
    out: dict[str, Json] = {}
    if source.benchmark:
        for mode, found in source.benchmark.data.modes.items():
            name = "benchmark.json" if mode == EAGER else f"benchmark_{mode}.json"
            out[name] = head | {"mode": mode} | _benchmark(found, source.benchmark.data.workloads)
    if source.quality:
        out["quality_eval.json"] = head | _quality(source.quality.data)
    if source.evidence:
        out["inference_evidence.json"] = head | _evidence(source.evidence.data)
    if source.alignment:
        pack = {"acceptance": _whole(acceptance.pack(source))}
        out["precision_comparison.json"] = head | _precision(source.alignment.data) | pack
    return out


def _whole(found: Model) -> Json:
    """As in the results file."""
    return found.model_dump(mode="json", by_alias=True)


def _some(found: Model, keys: tuple[str, ...]) -> Json:
    """These keys, each null with its reason beside it."""
    out: Json = {}
    for key in keys:
        out[key] = getattr(found, key)
        if out[key] is None:
            out[f"{key}_why"] = getattr(found, f"{key}_why", "not measured")
    return out


def _benchmark(found: ModeResults, shapes: Mapping[str, WorkloadShape]) -> Json:
    loads = {name: _whole(shapes[name]) | _some(load, _LOAD) for name, load in found.workloads.items()}
    memory = {key: value for key, value in _whole(found.memory).items() if not key.startswith("activation")}
    return {"startup": _some(found.startup, _START), "memory": memory, "workloads": loads}


def _quality(quality: Quality) -> Json:
    keys = ("id", "category", "prompt", "output", "checker", "verdict", "reason")
    cases = [{key: getattr(case, key) for key in keys} for case in quality.cases]
    return {"by_category": {name: _whole(tally) for name, tally in quality.by_category.items()}, "cases": cases}


def _evidence(evidence: Evidence) -> Json:
    keys = ("id", "prompt", "output", "output_token_ids", "finish_reason", "latency_s", "sha256")
    cases = [{key: getattr(case, key) for key in keys} for case in evidence.cases]
    checks = [_some(check, ("rung", "identical", "of")) for check in evidence.determinism]
    return {"sampling": _whole(evidence.sampling), "cases": cases, "determinism": checks}


def _precision(alignment: Alignment) -> Json:
    candidates = {
        name: _some(found, _LOGITS) | {"flips": _whole(found.flips)} for name, found in alignment.candidates.items()
    }
    return {
        "reference": _whole(alignment.reference),
        "noise_floor": _some(alignment.noise_floor, _LOGITS),
        "candidates": candidates,
    }
