"""Benchmark figures from raw observations, against numpy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import samples_facts
from blocks import block, request
from evalpress.params.schema import Workload
from evalpress.sections.benchmark import ceilings, metrics, random_prompts
from hypothesis import given
from hypothesis import strategies as st

TWO = [
    block(2.0, request(0.1, 1.1, 11), request(0.2, 1.2, 11)),
    block(2.0, request(0.3, 2.3, 21), request(0.1, 0.1, 1)),
]


def test_rates_by_hand():
    found = metrics.figures(TWO)
    assert found["duration"] == 4.0
    assert (found["completed"], found["total_input_tokens"], found["total_output_tokens"]) == (4, 40, 44)
    assert found["output_throughput"] == 11.0
    assert found["request_throughput"] == 1.0
    assert found["total_token_throughput"] == 21.0
    # Requests that are prefilled together share the time: until 0.2 in the first block, until 0.3 in the second.
    assert found["prefill_throughput"] == pytest.approx(40 / 0.5)
    # Decoding ran from 0.1 to 1.2 in the first block and from 0.3 to 2.3 in the second: 40 tokens after the first.
    assert found["decode_throughput"] == pytest.approx(40 / (1.1 + 2.0))


def test_latencies_are_numpys_percentiles_in_milliseconds():
    found = metrics.figures(TWO)
    ttft = np.array([100, 200, 300, 100])
    tpot = np.array([100, 100, 100])
    for name, values in (("ttft", ttft), ("tpot", tpot)):
        assert found[f"mean_{name}_ms"] == pytest.approx(values.mean())
        assert found[f"std_{name}_ms"] == pytest.approx(values.std(), abs=1e-9)
        assert found[f"p99_{name}_ms"] == pytest.approx(np.percentile(values, 99))
        assert found[f"min_{name}_ms"] == pytest.approx(values.min())
    assert found["mean_itl_ms"] == pytest.approx(10)


def test_what_was_not_observed_is_null_with_a_reason():
    found = metrics.figures([block(1.0, request(0.1, 0.1, 1), itl=())])
    assert found["mean_itl_ms"] is None
    assert found["mean_itl_ms_why"] == "no itl observation"
    assert found["decode_throughput"] is None
    assert found["decode_throughput_why"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
def test_busy_time_is_the_length_of_the_union(spans):
    intervals = [(float(start), float(start + length)) for start, length in spans]
    covered = {second for start, length in spans for second in range(start, start + length)}
    assert metrics.busy(intervals) == len(covered)


def test_a_slower_mode_is_found_with_the_right_sign():
    rng = np.random.default_rng(1)
    eager, compiled = [], []
    for _ in range(8):
        drift = rng.uniform(0.5, 2.0)
        eager.append(block(drift * 1.0, request(0.1 * drift, 1.0 * drift, 50)))
        compiled.append(block(drift * 0.8, request(0.1 * drift, 0.8 * drift, 50)))
    found = metrics.comparison(eager, compiled)
    assert found["output_throughput"]["ratio"] == pytest.approx(1.25)
    assert found["output_throughput"]["ci_low"] > 1
    assert found["mean_e2el_ms"]["ratio"] == pytest.approx(0.8)
    assert found["output_throughput"]["n_pairs"] == 8


def test_identical_tokens_are_counted_pairwise():
    a = [block(1.0, request(0.1, 1, 5, sha="a"), request(0.1, 1, 5, sha="b"))]
    b = [block(1.0, request(0.1, 1, 5, sha="a"), request(0.1, 1, 5, sha="c"))]
    assert metrics.identical_tokens(a, b) == {"identical": 1, "of": 2}


def test_break_even_by_hand_and_never():
    startup = {"eager": {"total_s": 10.0}, "compiled": {"total_s": 30.0}}
    found = metrics.break_even(
        startup, {"eager": {"output_throughput": 100.0}, "compiled": {"output_throughput": 200.0}}
    )
    assert found["tokens"] == pytest.approx(20 / (1 / 100 - 1 / 200))
    assert found["seconds"] == pytest.approx(found["tokens"] / 200)
    never = metrics.break_even(
        startup, {"eager": {"output_throughput": 200.0}, "compiled": {"output_throughput": 100.0}}
    )
    assert never["tokens"] is None
    assert never["tokens_why"].startswith("never")


def test_prompts_are_unique_per_request_and_block_and_can_be_drawn_again():
    load = Workload(num_prompts=20, input_len=16, output_len=4)
    drawn = [random_prompts.prompts(load, 500, 0, "w", block, frozenset({0, 1})) for block in range(5)]
    flat = [tuple(prompt) for prompts in drawn for prompt in prompts]
    assert len(set(flat)) == 100
    assert all(len(prompt) == 16 and min(prompt) >= 2 and max(prompt) < 500 for prompt in flat)
    assert random_prompts.prompts(load, 500, 0, "w", 3, frozenset({0, 1})) == drawn[3]
    assert random_prompts.prompts(load, 500, 0, "other", 3, frozenset({0, 1})) != drawn[3]


def test_regime_in_words():
    assert ceilings.regime({"memory bandwidth": 0.5, "arithmetic": 0.2}) == "memory bandwidth"
    assert ceilings.regime({"memory bandwidth": 0.05, "arithmetic": 0.1}) == "arithmetic"
    assert ceilings.regime({"memory bandwidth": 0.09, "arithmetic": 0.01}) == "launch overhead"


def test_a_short_prompt_of_a_large_model_is_limited_by_the_weights_it_reads():
    large = samples_facts.dense(
        parameters=7_000_000_000, embedding=500_000_000, dtype="bfloat16", kv_values=131_072, width=131_072
    )
    ceiling = {"memory_bandwidth_gb_s": 3350.0, "matmul_tflop_s": 800.0}
    shape = {"num_prompts": 1, "input_len": 32, "output_len": 16, "concurrent": True}
    step_s = 14e9 / 3350e9 / 0.6  # 60 % of the bandwidth
    found = ceilings.utilisation(
        {"decode_throughput": 1 / step_s, "prefill_throughput": 32 / step_s}, shape, large, ceiling
    )
    assert found["mfu"] < 0.1
    assert found["prefill_limited_by"] == found["decode_limited_by"] == "memory bandwidth"
    silent = ceilings.utilisation({"decode_throughput": None, "prefill_throughput": None}, shape, large, ceiling)
    assert silent["decode_limited_by"] is None and silent["decode_limited_by_why"]
