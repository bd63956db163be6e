"""Less of the benchmark within a budget, and what was left out."""

from __future__ import annotations

from evalpress import params
from evalpress.params.schema import BenchmarkParams, ScalingParams, Workload
from evalpress.sections.benchmark.budget import scaled
from evalpress.sections.registry import by_name, parameters_read
from hypothesis import given
from hypothesis import strategies as st

ASKED = BenchmarkParams(
    blocks=6,
    workloads={
        "throughput": Workload(num_prompts=50, input_len=64, output_len=50),
        "prefill": Workload(num_prompts=50, input_len=512, output_len=2, concurrent=False),
        "decode": Workload(kind="decode", num_prompts=1, input_len=32, output_len=128),
    },
    scaling=ScalingParams(batch_sizes=(1, 2, 4, 8, 16, 32), prompt_lens=(64, 256, 1024), repeats=3),
)


def test_enough_time_leaves_nothing_out():
    assert scaled(ASKED, 1.0) == scaled(ASKED, 7.0)
    assert scaled(ASKED, 1.0) == (ASKED, ())


def test_blocks_go_first_and_then_requests_and_points():
    half, left_out = scaled(ASKED, 0.5)
    assert half.blocks == 3 and half.workloads == ASKED.workloads
    assert left_out[0] == "3 of 6 blocks"
    tenth, left_out = scaled(ASKED, 0.1)
    assert (tenth.blocks, tenth.workloads["prefill"].num_prompts) == (3, 10)
    assert tenth.workloads["decode"].num_prompts == 1
    assert (tenth.scaling.batch_sizes, tenth.scaling.repeats) == ((1, 32), 1)
    assert "40 of 50 requests per block of prefill" in left_out
    assert "batch sizes: 2, 4, 8, 16" in left_out and "2 of 3 repeats of the scaling curves" in left_out


def test_of_the_features_lengths_and_requests_go_and_the_repeats_of_their_intervals_stay():
    asked = params.load("demo-features").benchmark
    tenth, left_out = scaled(asked, 0.1)
    found = tenth.features
    assert (found.depth.points, found.speculation.requests) == (2, 1)
    assert (found.prefix_cache, found.kv_cache) == (asked.features.prefix_cache, asked.features.kv_cache)
    assert [getattr(found, key).repeats for key in ("depth", "speculation", "kv_cache")] == [6, 3, 3]
    assert {"3 of 5 lengths of cached context", "3 of 4 requests of N-gram speculation"} <= set(left_out)
    assert BenchmarkParams.model_validate(tenth.model_dump()) == tenth
    without = asked.model_copy(update={"features": ASKED.features})
    assert scaled(without, 0.1)[0].features == ASKED.features


def test_requests_that_are_sent_together_stay_together():
    least = scaled(ASKED, 0.0)[0].workloads
    assert least["throughput"] == ASKED.workloads["throughput"]
    assert (least["prefill"].num_prompts, least["decode"].num_prompts) == (1, 1)


@given(st.floats(0, 2))
def test_whatever_the_factor_a_comparison_keeps_its_interval_and_a_curve_its_ends(factor):
    found = scaled(ASKED, factor)[0]
    assert 3 <= found.blocks <= 6 and all(load.num_prompts >= 1 for load in found.workloads.values())
    assert found.scaling.batch_sizes[0] == 1 and found.scaling.batch_sizes[-1] == 32
    assert BenchmarkParams.model_validate(found.model_dump()) == found


def test_the_budget_is_part_of_what_decides_the_numbers_where_it_is_given():
    demo, benchmark = params.load("demo"), by_name("benchmark")
    assert "run.budget_minutes" not in parameters_read(benchmark, demo)
    short = demo.model_copy(update={"run": demo.run.model_copy(update={"budget_minutes": 5.0})})
    assert parameters_read(benchmark, short)["run.budget_minutes"] == 5.0
