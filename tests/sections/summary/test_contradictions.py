"""Two sections that answer one question differently are named in one sentence."""

from __future__ import annotations

from typing import Any

import pytest
import serving_samples as made
from evalpress.core.paths import ROOT
from evalpress.sections.job import read_results
from evalpress.sections.serving.results import Compared, HttpCost, Search
from evalpress.sections.serving.start_results import StartFigures, Starts
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
    fewer = {"slo_attainment": 0.872, "slo_attainment_low": 0.80, "slo_attainment_high": 0.92}
    every = {"slo_attainment": 1.0, "slo_attainment_low": 0.97, "slo_attainment_high": 1.0}
    rates = (made.rate("compiled", 9.0, **fewer), made.rate("eager", 8.0, **every))
    found = judged(benchmark, made.results(rates=rates))
    assert (
        found.status == "warn" and "keeps the SLO for 87.2%" in found.found and "eager server for 100.0%" in found.found
    )
    # Of a demo's report: one burst of late answers among 75 requests.
    burst = {"slo_attainment": 0.92, "slo_attainment_low": 0.507, "slo_attainment_high": 0.9998}
    chance = (made.rate("compiled", 9.0, **burst), made.rate("eager", 8.0, **every))
    assert judged(benchmark, made.results(rates=chance)).status == "pass"
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


def test_a_lower_first_token_alone_is_named_too(benchmark):
    means = {f"mean_{name}_ms": 1.0 for name in ("ttft", "tpot", "e2el")}
    alone = Compared(**means, output_throughput=1.0)
    ends = {"": -0.4, "_median": -0.4, "_low": -0.5, "_high": 0.1}
    added = {f"added_{name}_ms{end}": value for name in ("ttft", "tpot", "e2el") for end, value in ends.items()}
    row = HttpCost(mode="eager", served=alone, in_process=alone, **(added | {"added_ttft_ms_high": -0.2}))
    found = judged(benchmark, made.results(http_cost=(row,), http_cost_why=None))
    assert "TTFT over HTTP to the eager server is 0.40 ms lower" in found.found
    row = row.model_copy(update={"added_ttft_ms_high": 0.1})
    assert judged(benchmark, made.results(http_cost=(row,), http_cost_why=None)).status == "pass"


def test_a_mode_that_is_faster_alone_and_slower_served_alone_is_named(benchmark):
    slow = {"compiled": 3.0, "eager": 2.0}
    levels = tuple(
        level.model_copy(update={"mean_tpot_ms": slow[level.mode]}) if level.concurrency == 1 else level
        for level in made.results().levels
    )
    found = judged(benchmark, made.results(levels=levels))
    assert (
        "one request at a time, compiled mode is" in found.found and "takes 50% longer per output token" in found.found
    )


def test_a_lower_highest_rate_of_the_faster_mode_is_named(benchmark):
    def at(rate: float) -> Search:
        ends = {"request_rate": rate, "request_rate_high": rate + 1, "request_goodput": rate}
        return Search(attainment_min=0.95, tried=(), certain_rate=rate, certain_rate_high=rate + 1, **ends)

    searched = {"compiled": at(20.0), "eager": at(30.0)}
    found = judged(benchmark, made.results(slo_search=searched, slo_search_why=None))
    assert "keeps the SLO up to 20 requests per second, the eager server up to 30" in found.found
    searched = {"compiled": at(30.0), "eager": at(30.5)}
    assert judged(benchmark, made.results(slo_search=searched, slo_search_why=None)).status == "pass"


def test_starts_that_change_places_as_servers_are_named(benchmark):
    def start(mode: str, seconds: float) -> StartFigures:
        absent = ("ready_s_low", "ready_s_high", "load_weights_s", "compile_s", "graph_capture_s", "bench_startup_s")
        nothing = dict.fromkeys((*absent, "bench_ratio")) | {f"{key}_why": "n" for key in (*absent, "bench_ratio")}
        return StartFigures(mode=mode, kind="warm", starts=1, ready_s=seconds, **nothing)

    inside = {mode: found.startup.total_s for mode, found in benchmark.modes.items()}
    quick, slow = sorted(inside, key=lambda mode: inside[mode])
    turned = Starts(figures=(start(quick, 40.0), start(slow, 20.0)), starts=())
    found = judged(benchmark, made.results(starts=turned, starts_why=None))
    assert f"but as a server {quick} takes 40.0 s and {slow} 20.0 s" in found.found
    same = Starts(figures=(start(quick, 20.0), start(slow, 40.0)), starts=())
    assert judged(benchmark, made.results(starts=same, starts_why=None)).status == "pass"


def test_one_section_alone_is_not_compared(benchmark):
    assert list(contradictions.gates({"benchmark": benchmark})) == []
