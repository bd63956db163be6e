"""Scaling curves from observations that are known, and the order of measuring."""

from __future__ import annotations

import pytest
import samples
import samples_facts
from blocks import block, request
from evalpress import params
from evalpress.params.schema import ScalingParams, Workload
from evalpress.sections.benchmark import scaling, scaling_tables
from evalpress.sections.benchmark.peak_rates import PeakMeter
from evalpress.sections.benchmark.results import PeakRates
from evalpress.sections.benchmark.section import _run

FACTS = samples_facts.dense(parameters=1_000, embedding=100, dtype="bfloat16", kv_values=8, width=16)
PEAKS = PeakRates(memory_bandwidth_gb_s=2.0, matmul_tflop_s=0.5, copy_bytes=1, matrix_size=1, threads=1, raw={})


def test_points_beyond_the_engine_are_left_out():
    wanted = ScalingParams(batch_sizes=(1, 8, 64), prompt_lens=(64, 512))
    assert list(scaling.points(wanted, 8, 512)) == ["batch-1", "batch-8", "prompt-64"]


def test_the_curves_are_the_runs_figures_with_the_bounds_beside_them():
    demo = params.load("demo")
    runs = {"eager": [block(2.0, request(0.1, 1.1, 11), request(0.1, 1.1, 11))]}
    found = scaling.report(demo, FACTS, {"batch-2": runs, "prompt-64": runs}, {}, PEAKS)
    (batch,), (prompt,) = found.batch, found.prompt
    assert (batch.batch_size, batch.output_throughput, batch.mean_tpot_ms) == (2, 11.0, pytest.approx(100))
    wanted = demo.benchmark.scaling
    context = wanted.batch_input_len + wanted.batch_output_len / 2
    assert batch.bandwidth_bound_tok_s == pytest.approx(2 * 2e9 / (2_000 + 2 * context * 16))
    assert prompt.arithmetic_bound_ms == pytest.approx(1e3 * FACTS.prefill_flops(64) / 0.5e12)


def test_a_curve_shows_how_much_its_runs_differ():
    demo = params.load("demo")
    fast, slow = block(1.0, request(0.1, 1.0, 11)), block(2.0, request(0.1, 2.0, 11))
    found = scaling.report(demo, FACTS, {"batch-1": {"eager": [fast, slow]}, "prompt-64": {"eager": [fast]}}, {}, PEAKS)
    assert found.batch[0].output_throughput_of_runs == (11.0, 5.5) and found.batch[0].steadiness == "unsteady"
    document = samples.benchmark()
    document = document.model_copy(update={"data": document.data.model_copy(update={"scaling": found})})
    table = scaling_tables.batch_scaling(document)
    row = dict(zip([column.title for column in table.heads], table.rows[0], strict=True))
    assert (row["of single runs"], row["steadiness"]) == ("5.5 to 11.0", "unsteady")
    heads = [column.title for column in scaling_tables.batch_scaling(samples.benchmark()).heads]
    assert "steadiness" not in heads and "of single runs" not in heads


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
        _run.__globals__, "run_block", lambda loaded, load, asked, number: order.append((names[id(load)], loaded))
    )
    peaks = PeakMeter(demo)
    monkeypatch.setattr(peaks, "measure", lambda when: order.append(("peak rates", when)))
    _run(demo, ("eager", "compiled"), {name: {"eager": [], "compiled": []} for name in shapes}, peaks)
    ab, ba = ("eager", "compiled"), ("compiled", "eager")
    turns = [[(name, mode) for name in ("throughput", "decode") for mode in modes] for modes in (ab, ba, ab)]
    between = [("peak rates", "between the workloads of eager and compiled")]
    assert order == [*turns[0], *between, *turns[1], *turns[2]]


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
