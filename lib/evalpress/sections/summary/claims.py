"""What this report measured of the quantities that its set's published cards print, and the two beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress import claims
from evalpress.claims.against import Measured as Quantity
from evalpress.claims.against import compare
from evalpress.core.paths import resolve
from evalpress.params.schema import Params
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.quality.results import Results as Quality
from evalpress.sections.summary.measured import Measured, single_workload, throughput_workload
from evalpress.sections.summary.results import ClaimBeside

_LOGITS = ("top1_agreement", "top5_overlap", "cosine_similarity")
_SPEED = (("output_throughput", "tok/s", 1.0), ("request_throughput", "req/s", 1.0), ("mean_ttft_ms", "s", 1e-3))
_CARD = {"mean_ttft_ms": "ttft"}
"""A metric's name on cards, where it differs."""
_Z = 1.96


def beside(params: Params, data: Measured, device: str) -> list[ClaimBeside]:
    """Every published figure of the set's cards of which this report measured the same quantity."""
    if not params.claims:
        return []
    measured = list(_measured(params, data, device))
    return [
        ClaimBeside(card=card.source.title, **found.as_dict())
        for card in (claims.load(resolve(name)) for name in params.claims)
        for found in compare(card, measured)
    ]


def _measured(params: Params, data: Measured, device: str) -> Iterator[Quantity]:
    def one(quantity: str, values: tuple[float, float, float], unit: str, shape: str = "") -> Quantity:
        return Quantity(quantity, *values, unit, params.platform.backend, device, params.model.shown, shape)

    if "quality" in data:
        for task, values in _accuracies(data["quality"]):
            yield one(f"accuracy.{task}", values, "share")
    candidates = data["alignment"].candidates.values() if "alignment" in data else ()
    for name in _LOGITS:
        known = [value for run in candidates if (value := getattr(run, name)) is not None]
        if known:
            yield one(f"logits.{name}", (known[-1], min(known), max(known)), "share")
    if "benchmark" in data:
        for quantity, values, unit, shape in _speeds(data["benchmark"]):
            yield one(quantity, values, unit, shape)


def _accuracies(quality: Quality) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Scores with 95 % intervals: HumanEval's own, the harness's from its standard error."""
    for score in quality.human_eval.scores if quality.human_eval else ():
        if score.k == 1 and score.ci_low is not None and score.ci_high is not None:
            yield "humaneval", (score.value, score.ci_low, score.ci_high)
            break
    for row in quality.standard_tasks.rows if quality.standard_tasks else ():
        if row.metric == "acc" and row.stderr is not None:
            half = _Z * row.stderr
            yield row.task, (row.value, row.value - half, row.value + half)


def _speeds(benchmark: Benchmark) -> Iterator[tuple[str, tuple[float, float, float], str, str]]:
    """Rates of the throughput workload and TTFT of a single request, each with its spread over blocks."""
    batch, single = throughput_workload(benchmark), single_workload(benchmark)
    for metric, unit, scale in _SPEED:
        name = single if metric == "mean_ttft_ms" else batch
        if name is None:
            continue
        load = benchmark.workloads[name]
        shape = f"{load.num_prompts} requests of {load.input_len} tokens in and {load.output_len} out"
        for mode, found in benchmark.modes.items():
            figures = found.workloads[name]
            value, spread = getattr(figures, metric), figures.cv_output_throughput
            if value is None or spread is None:
                continue
            half = _Z * spread * value / figures.n_blocks**0.5
            values = (scale * value, scale * (value - half), scale * (value + half))
            yield f"{_CARD.get(metric, metric)}.{mode}", values, unit, shape
