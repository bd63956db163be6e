"""Two sections that answer one question differently are named in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import serving_samples as made
from evalpress.core.paths import ROOT
from evalpress.sections.job import read_results
from evalpress.sections.serving.results import Compared, HttpCost
from evalpress.sections.summary import contradictions

PUBLISHED = ROOT / "tests" / "data" / "report-0.1.0" / "results"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    return read_results(PUBLISHED / "benchmark.json", "benchmark").data


def judged(benchmark: Any, serving: Any, low: float = 1.1, high: float = 1.4) -> Any:
    name = next(name for name, load in benchmark.workloads.items() if load.kind == "throughput")
    metric = benchmark.comparison[name]["output_throughput"]
    changed = metric.model_copy(update={"ratio": (low * high) ** 0.5, "ci_low": low, "ci_high": high})
    compared = benchmark.comparison | {name: {"output_throughput": changed}}
    (gate,) = contradictions.gates(
        {"benchmark": benchmark.model_copy(update={"comparison": compared}), "serving": serving}
    )
    return gate


def test_agreement_passes(benchmark):
    assert judged(benchmark, made.results()).status == "pass"
    assert judged(benchmark, made.results(), 0.9, 1.1).status == "pass"


def test_a_faster_mode_that_serves_worse_is_named(benchmark):
    rates = (made.rate("compiled", 9.0, slo_attainment=0.872), made.rate("eager", 8.0, slo_attainment=1.0))
    found = judged(benchmark, made.results(rates=rates))
    assert (
        found.status == "warn" and "keeps the SLO for 87.2%" in found.found and "eager server for 100.0%" in found.found
    )
    slower = judged(benchmark, made.results(), 0.7, 0.9)  # offline eager is faster, the invented servers say compiled
    assert "offline, eager mode generates 26% more" in slower.found and "served at saturation" in slower.found


def test_http_that_looks_cheaper_than_none_is_named(benchmark):
    means = {f"mean_{name}_ms": 1.0 for name in ("ttft", "tpot", "e2el")}
    alone = Compared(**means, output_throughput=1.0)
    ends = {"": -3.0, "_median": -3.0, "_low": -4.0, "_high": -2.0}
    added = {f"added_{name}_ms{end}": value for name in ("ttft", "tpot", "e2el") for end, value in ends.items()}
    row = HttpCost(mode="eager", served=alone, in_process=alone, **added)
    found = judged(benchmark, made.results(http_cost=(row,), http_cost_why=None))
    assert found.status == "warn" and "takes 3.0 ms less than in this process" in found.found


def test_one_section_alone_is_not_compared(benchmark):
    assert list(contradictions.gates({"benchmark": benchmark})) == []
