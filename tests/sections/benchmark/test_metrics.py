"""Benchmark figures from raw observations, against numpy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block, request
from evalpress.params.schema import Workload
from evalpress.sections.benchmark import metrics, random_prompts
from hypothesis import given
from hypothesis import strategies as st

TWO = [
    block(2.0, request(0.1, 1.1, 11), request(0.2, 1.2, 11)),
    block(2.0, request(0.3, 2.3, 21), request(0.1, 0.1, 1)),
]


def test_rates_by_hand():
    found = metrics.figures(TWO)
    assert found.duration == 4.0
    assert (found.completed, found.total_input_tokens, found.total_output_tokens) == (4, 40, 44)
    assert found.output_throughput == 11.0
    assert found.request_throughput == 1.0
    assert found.total_token_throughput == 21.0
    # Requests that are prefilled together share the time: until 0.2 in the first block, until 0.3 in the second.
    assert found.prefill_throughput == pytest.approx(40 / 0.5)
    # Decoding ran from 0.1 to 1.2 in the first block and from 0.3 to 2.3 in the second: 40 tokens after the first.
    assert found.decode_throughput == pytest.approx(40 / (1.1 + 2.0))


def test_latencies_are_numpys_percentiles_in_milliseconds():
    found = metrics.figures(TWO)
    ttft = np.array([100, 200, 300, 100])
    tpot = np.array([100, 100, 100])
    for name, values in (("ttft", ttft), ("tpot", tpot)):
        assert getattr(found, f"mean_{name}_ms") == pytest.approx(values.mean())
        assert getattr(found, f"std_{name}_ms") == pytest.approx(values.std(), abs=1e-9)
        assert getattr(found, f"p99_{name}_ms") == pytest.approx(np.percentile(values, 99))
        assert getattr(found, f"min_{name}_ms") == pytest.approx(values.min())
    assert found.mean_itl_ms == pytest.approx(10)


def test_what_was_not_observed_is_null_with_a_reason():
    found = metrics.figures([block(1.0, request(0.1, 0.1, 1), itl=())])
    assert found.mean_itl_ms is None
    assert found.mean_itl_ms_why == "no itl observation"
    assert found.decode_throughput is None
    assert found.decode_throughput_why


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
def test_busy_time_is_the_length_of_the_union(spans):
    intervals = [(float(start), float(start + length)) for start, length in spans]
    covered = {second for start, length in spans for second in range(start, start + length)}
    assert metrics.busy(intervals) == len(covered)


def test_prompts_are_unique_per_request_and_block_and_can_be_drawn_again():
    load = Workload(num_prompts=20, input_len=16, output_len=4)
    drawn = [random_prompts.prompts(load, 500, 0, "w", block, frozenset({0, 1})) for block in range(5)]
    flat = [tuple(prompt) for prompts in drawn for prompt in prompts]
    assert len(set(flat)) == 100
    assert all(len(prompt) == 16 and min(prompt) >= 2 and max(prompt) < 500 for prompt in flat)
    assert random_prompts.prompts(load, 500, 0, "w", 3, frozenset({0, 1})) == drawn[3]
    assert random_prompts.prompts(load, 500, 0, "other", 3, frozenset({0, 1})) != drawn[3]


def test_a_request_that_ends_too_early_is_failed_and_not_completed():
    found = metrics.figures([block(2.0, request(0.1, 1.1, 11), request(0.1, 0.5, 5), failed=1)])
    assert (found.completed, found.failed, found.request_throughput) == (1, 1, 0.5)
