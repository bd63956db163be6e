"""Less of the benchmark within a budget, and what was left out."""

from __future__ import annotations

import pytest
from blocks import block
from evalpress import engine, params
from evalpress.params.schema import BenchmarkParams, ScalingParams, Workload
from evalpress.sections.benchmark import section
from evalpress.sections.benchmark.budget import SHARE, estimate, scaled
from evalpress.sections.registry import by_name, parameters_read
from hypothesis import given
from hypothesis import strategies as st

ASKED = BenchmarkParams(
    blocks=6,
    workloads={
        "throughput": Workload(num_prompts=50, input_len=64, output_len=50),
        "decode": Workload(kind="decode", num_prompts=1, input_len=32, output_len=128),
    },
    scaling=ScalingParams(batch_sizes=(1, 2, 4, 8, 16, 32), prompt_lens=(64, 256, 1024), repeats=3),
)


def test_enough_time_leaves_nothing_out():
    assert scaled(ASKED, 1.0) == scaled(ASKED, 7.0)
    assert scaled(ASKED, 1.0).benchmark == ASKED and scaled(ASKED, 1.0).left_out == ()


def test_blocks_go_first_and_then_requests_and_points():
    half = scaled(ASKED, 0.5)
    assert half.benchmark.blocks == 3 and half.benchmark.workloads == ASKED.workloads
    assert half.left_out[0] == "3 of 6 blocks"
    tenth = scaled(ASKED, 0.1)
    assert (tenth.benchmark.blocks, tenth.benchmark.workloads["throughput"].num_prompts) == (3, 10)
    assert tenth.benchmark.workloads["decode"].num_prompts == 1
    assert (tenth.benchmark.scaling.batch_sizes, tenth.benchmark.scaling.repeats) == ((1, 32), 1)
    assert "40 of 50 requests per block of throughput" in tenth.left_out
    assert "batch sizes 2, 4, 8, 16" in tenth.left_out and "2 of 3 repeats of the scaling curves" in tenth.left_out


def test_of_the_features_lengths_and_requests_go_and_the_repeats_of_their_intervals_stay():
    asked = params.load("demo-features").benchmark
    tenth = scaled(asked, 0.1)
    found = tenth.benchmark.features
    assert (found.depth.points, found.speculation.requests, found.kv_cache.requests) == (2, 1, 1)
    assert found.prefix_cache == asked.features.prefix_cache
    assert [getattr(found, key).repeats for key in ("depth", "speculation", "kv_cache")] == [6, 3, 3]
    assert (
        "3 of 5 lengths of cached context" in tenth.left_out
        and "3 of 4 requests of N-gram speculation" in tenth.left_out
    )
    assert BenchmarkParams.model_validate(tenth.benchmark.model_dump()) == tenth.benchmark
    pilot = dict.fromkeys(asked.workloads, 1.0)
    without = asked.model_copy(update={"features": ASKED.features})
    assert estimate(asked, pilot, 16) > estimate(without, pilot, 16)
    assert scaled(without, 0.1).benchmark.features == ASKED.features


@given(st.floats(0, 2))
def test_whatever_the_factor_a_comparison_keeps_its_interval_and_a_curve_its_ends(factor):
    found = scaled(ASKED, factor).benchmark
    assert 3 <= found.blocks <= 6 and all(load.num_prompts >= 1 for load in found.workloads.values())
    assert found.scaling.batch_sizes[0] == 1 and found.scaling.batch_sizes[-1] == 32
    assert BenchmarkParams.model_validate(found.model_dump()) == found


def test_the_estimate_grows_with_blocks_and_output_length():
    alone = ASKED.model_copy(update={"scaling": None})
    pilot = {"throughput": 1.0, "decode": 0.5}
    assert estimate(alone, pilot, 16) == pytest.approx(6 * (1.0 * 50 / 16 + 0.5 * 128 / 16))
    assert estimate(ASKED, pilot, 16) > estimate(alone, pilot, 16)


def test_the_budget_is_part_of_what_decides_the_numbers_where_it_is_given():
    demo, benchmark = params.load("demo"), by_name("benchmark")
    assert "run.budget_minutes" not in parameters_read(benchmark, demo)
    short = demo.model_copy(update={"run": demo.run.model_copy(update={"budget_minutes": 5.0})})
    assert parameters_read(benchmark, short)["run.budget_minutes"] == 5.0


def test_a_pilot_of_every_workload_and_mode_decides_what_fits(monkeypatch):
    demo = params.load("demo")
    monkeypatch.setattr(engine, "get", lambda params, mode: mode)
    monkeypatch.setitem(section._within_budget.__globals__, "prompts", lambda *asked: [])
    monkeypatch.setitem(section._within_budget.__globals__, "warm_up", lambda *asked: block(1.0))
    whole = estimate(demo.benchmark, dict.fromkeys(demo.benchmark.workloads, 2.0), 16)
    spent = 10.0 + 2.0 * len(demo.benchmark.workloads)  # before the pilot, and by the pilot in both modes
    enough = (whole + spent) / 60 / SHARE
    modes = demo.engine.modes
    assert section._within_budget(demo, modes, enough + 0.01, 10.0).left_out == ()
    assert section._within_budget(demo, modes, (whole / 2 + spent) / 60 / SHARE, 10.0).benchmark.blocks == 3
    one_by_one = section._within_budget(demo, modes[:1], enough + 0.01, 10.0)  # the other mode takes as long again
    assert one_by_one.benchmark.blocks < demo.benchmark.blocks
