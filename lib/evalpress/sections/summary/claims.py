"""What this report measured of the quantities that its set's published cards print, and the two beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalpress import claims
from evalpress.claims.against import Measured, compare
from evalpress.core.paths import resolve
from evalpress.params.schema import Params
from evalpress.sections.summary.results import ClaimBeside

_LOGITS = ("top1_agreement", "top5_overlap", "cosine_similarity")
_SPEED = (("output_throughput", "tok/s", 1.0), ("request_throughput", "req/s", 1.0), ("mean_ttft_ms", "s", 1e-3))
_CARD = {"mean_ttft_ms": "ttft"}
"""A metric's name on cards, where it differs."""
_Z = 1.96
Data = Mapping[str, Mapping[str, Any]]
"""Section name -> its results' `data`, as JSON."""


def beside(params: Params, data: Data, device: str) -> list[ClaimBeside]:
    """Every published figure of the set's cards of which this report measured the same quantity."""
    if not params.claims:
        return []
    measured = list(_measured(params, data, device))
    return [
        ClaimBeside(card=card.source.title, **found.as_dict())
        for card in (claims.load(resolve(name)) for name in params.claims)
        for found in compare(card, measured)
    ]


def _measured(params: Params, data: Data, device: str) -> Iterator[Measured]:
    def one(quantity: str, values: tuple[float, float, float], unit: str, shape: str = "") -> Measured:
        return Measured(quantity, *values, unit, params.platform.backend, device, params.model.shown, shape)

    for task, values in _accuracies(data.get("quality", {})):
        yield one(f"accuracy.{task}", values, "share")
    candidates = data.get("alignment", {}).get("candidates", {})
    for name in _LOGITS:
        known = [found[name] for found in candidates.values() if found.get(name) is not None]
        if known:
            yield one(f"logits.{name}", (known[-1], min(known), max(known)), "share")
    for quantity, values, unit, shape in _speeds(data.get("benchmark", {})):
        yield one(quantity, values, unit, shape)


def _accuracies(quality: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Scores with 95 % intervals: HumanEval's own, the harness's from its standard error."""
    for score in (quality.get("human_eval") or {}).get("scores", []):
        if score["k"] == 1 and score["ci_low"] is not None:
            yield "humaneval", (score["value"], score["ci_low"], score["ci_high"])
            break
    for row in (quality.get("standard_tasks") or {}).get("rows", []):
        if row["metric"] == "acc" and row.get("stderr") is not None:
            half = _Z * row["stderr"]
            yield row["task"], (row["value"], row["value"] - half, row["value"] + half)


def _speeds(benchmark: Mapping[str, Any]) -> Iterator[tuple[str, tuple[float, float, float], str, str]]:
    """Rates of the throughput workload and TTFT of a single request, each as far as its blocks scatter."""
    loads = benchmark.get("workloads", {})
    batch = next((name for name, load in loads.items() if load["kind"] == "throughput"), None)
    single = next((name for name, load in loads.items() if load["alone"]), None)
    for metric, unit, scale in _SPEED:
        name = single if metric == "mean_ttft_ms" else batch
        for mode, found in benchmark.get("modes", {}).items() if name else ():
            load = found["workloads"][name]
            value, spread = load.get(metric), load.get("cv_output_throughput")
            if value is None or spread is None:
                continue
            half = _Z * spread * value / load["n_blocks"] ** 0.5
            shape = "{num_prompts} requests of {input_len} tokens in and {output_len} out".format(**loads[name])
            values = (scale * value, scale * (value - half), scale * (value + half))
            yield f"{_CARD.get(metric, metric)}.{mode}", values, unit, shape
