"""Scaling curves from observations that are known, and break-even with its interval."""

from __future__ import annotations

import numpy as np
import pytest
import samples_facts
from blocks import block, request
from evalpress import params
from evalpress.params.schema import ScalingParams, Workload
from evalpress.sections.benchmark import metrics, scaling
from evalpress.sections.benchmark.section import _mode_phases, _own_start, _run
from scipy.stats import linregress

FACTS = samples_facts.dense(parameters=1_000, embedding=100, dtype="bfloat16", kv_values=8, width=16)
CEILING = {"memory_bandwidth_gb_s": 2.0, "matmul_tflop_s": 0.5}


def test_points_beyond_the_engine_are_left_out():
    wanted = ScalingParams(batch_sizes=(1, 8, 64), prompt_lens=(64, 512))
    assert list(scaling.points(wanted, 8, 512)) == ["batch-1", "batch-8", "prompt-64"]


def test_the_curves_are_the_runs_figures_with_the_bounds_beside_them():
    demo = params.load("demo")
    runs = {"eager": [block(2.0, request(0.1, 1.1, 11), request(0.1, 1.1, 11))]}
    found = scaling.report(demo, FACTS, {"batch-2": runs, "prompt-64": runs}, {}, CEILING)
    (batch,), (prompt,) = found["batch"], found["prompt"]
    assert (batch["batch_size"], batch["output_throughput"], batch["mean_tpot_ms"]) == (2, 11.0, pytest.approx(100))
    wanted = demo.benchmark.scaling
    context = wanted.batch_input_len + wanted.batch_output_len / 2
    assert batch["bandwidth_bound_tok_s"] == pytest.approx(2 * 2e9 / (2_000 + 2 * context * 16))
    assert prompt["arithmetic_bound_ms"] == pytest.approx(1e3 * FACTS.prefill_flops(64) / 0.5e12)


def test_latency_against_output_length_is_scipys_line():
    rng = np.random.default_rng(3)
    lengths = {16: "e2e_16", 64: "e2e_64", 256: "decode"}
    e2el = {n: [0.02 + 0.003 * n + rng.normal(0, 1e-3) for _ in range(4)] for n in lengths}
    blocks = {lengths[n]: {"eager": [block(1.0, *(request(0.01, t, n) for t in e2el[n]))]} for n in lengths}
    found = scaling.report(params.load("demo"), FACTS, {}, blocks, CEILING)["output"]
    expected = linregress([n for n in lengths for _ in range(4)], [1e3 * t for n in lengths for t in e2el[n]])
    assert found["eager"]["ms_per_token"] == pytest.approx(expected.slope)
    assert found["eager"]["intercept_ms"] == pytest.approx(expected.intercept)
    assert found["eager"]["ms_per_token_low"] < expected.slope < found["eager"]["ms_per_token_high"]
    assert found["compiled"]["ms_per_token"] is None and found["compiled"]["ms_per_token_why"]


def test_workloads_take_turns_and_modes_alternate(monkeypatch):
    base = params.load("demo")
    shapes = {name: base.benchmark.workloads[name] for name in ("throughput", "decode")}
    demo = base.model_copy(update={"benchmark": base.benchmark.model_copy(update={"blocks": 3, "workloads": shapes})})
    engine_of = {"eager": "eager", "compiled": "compiled"}
    names = {id(shape): name for name, shape in shapes.items()}
    order: list[tuple[str, str]] = []
    monkeypatch.setattr("evalpress.engine.get", lambda params, mode: engine_of[mode])
    monkeypatch.setitem(_run.__globals__, "prompts", lambda *asked: [])
    monkeypatch.setitem(_run.__globals__, "warm_up", lambda *asked: None)
    monkeypatch.setitem(
        _run.__globals__, "run_block", lambda loaded, load, asked: order.append((names[id(load)], loaded)) or {}
    )
    _run(demo, ("eager", "compiled"), {name: {"eager": [], "compiled": []} for name in shapes})
    ab, ba = ("eager", "compiled"), ("compiled", "eager")
    assert order == [(name, mode) for modes in (ab, ba, ab) for name in ("throughput", "decode") for mode in modes]


def test_break_even_by_phases_leaves_out_what_depends_on_which_engine_came_first():
    eager = {"total_s": 12.0, "import_s": 9.0, "config_s": 0.1, "captured_graphs": 0}
    eager |= {"compile_s": None, "graph_capture_s": None, "kv_cache_s": 0.2}
    compiled = eager | {"total_s": 14.0, "compile_s": 3.0, "graph_capture_s": 0.5, "kv_cache_s": 0.3}
    assert _mode_phases({"eager": eager, "compiled": compiled}) == {
        "eager": {"total_s": 0.2},
        "compiled": {"total_s": pytest.approx(3.8)},
    }
    assert _own_start(compiled)["total_s"] == pytest.approx(4.9)
    silent = compiled | {"graph_capture_s": None}  # a CPU captures none
    assert _mode_phases({"eager": eager, "compiled": silent}) is not None
    for unknown in (compiled | {"compile_s": None}, compiled | {"kv_cache_s": None}, silent | {"captured_graphs": 35}):
        assert _mode_phases({"eager": eager, "compiled": unknown}) is None


def test_break_even_has_the_speed_ups_interval():
    startup = {"eager": {"total_s": 10.0}, "compiled": {"total_s": 30.0}}
    speeds = {"eager": {"output_throughput": 100.0}, "compiled": {"output_throughput": 200.0}}
    found = metrics.break_even(startup, speeds, (1.6, 2.5))
    assert found["tokens_high"] == pytest.approx(20 / (0.01 * (1 - 1 / 1.6)))
    assert found["tokens_low"] == pytest.approx(20 / (0.01 * (1 - 1 / 2.5)))
    assert found["tokens_low"] < found["tokens"] < found["tokens_high"]
    unsure = metrics.break_even(startup, speeds, (0.9, 2.5))
    assert unsure["tokens_high"] is None and unsure["tokens_high_why"].startswith("never")
    assert metrics.break_even(startup, speeds)["tokens_low_why"] == "no interval of the speed-up"


@pytest.mark.parametrize(
    ("kind", "num_prompts", "concurrent", "alone"),
    [
        ("decode", 1, True, True),
        ("e2e", 4, False, True),
        ("e2e", 4, True, False),
        ("decode", 8, True, False),
        ("prefill", 1, True, False),
    ],
)
def test_a_request_alone_has_the_engine_to_itself(kind, num_prompts, concurrent, alone):
    load = Workload(kind=kind, num_prompts=num_prompts, input_len=8, output_len=8, concurrent=concurrent)
    assert load.alone is alone
