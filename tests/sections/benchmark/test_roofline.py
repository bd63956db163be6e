"""Rates compared with the peak rates of the device."""

from __future__ import annotations

import dataclasses

import pytest
import samples_facts
from blocks import block, request
from evalpress import params
from evalpress.sections.benchmark import metrics
from evalpress.sections.benchmark.results import NEITHER, PeakRates, Roofline, WorkloadShape
from evalpress.sections.benchmark.roofline import bottleneck, bounds, devices, roofline

LARGE = samples_facts.dense(
    parameters=7_000_000_000, embedding=500_000_000, dtype="bfloat16", kv_values=131_072, width=131_072
)
PEAKS = PeakRates(
    memory_bandwidth_gb_s=3350.0, matmul_tflop_s=800.0, copy_bytes=1, matrix_size=1, threads=1, raw={}
)  # fmt: skip
SHAPE = WorkloadShape(kind="decode", num_prompts=1, input_len=32, output_len=16, concurrent=True, alone=True)


@pytest.fixture(scope="module")
def demo():
    return params.load("demo")


def speed(decode, prefill):
    found = metrics.figures([block(1.0, request(0.1, 1.0, 16))])
    reasons = {"decode_throughput_why": "silent", "prefill_throughput_why": "silent"}
    return found.model_copy(update={"decode_throughput": decode, "prefill_throughput": prefill} | reasons)


def test_bottleneck_in_words():
    assert bottleneck({"memory bandwidth": 0.5, "arithmetic": 0.2}) == "memory bandwidth"
    assert bottleneck({"memory bandwidth": 0.05, "arithmetic": 0.1}) == "arithmetic"
    assert bottleneck({"memory bandwidth": 0.09, "arithmetic": 0.01}) == NEITHER == "neither peak"


def test_a_bottleneck_that_an_older_version_inferred_is_read_as_neither(demo):
    found = roofline(demo, speed(1.0, 1.0), SHAPE, LARGE, PEAKS).model_dump()
    older = found | {"decode_limited_by": "launch overhead", "prefill_limited_by": "arithmetic"}
    read = Roofline.model_validate(older)
    assert (read.decode_limited_by, read.prefill_limited_by) == (NEITHER, "arithmetic")


def test_a_short_prompt_of_a_large_model_is_limited_by_the_weights_it_reads(demo):
    step_s = 14e9 / 3350e9 / 0.6  # 60 % of the bandwidth
    found = roofline(demo, speed(1 / step_s, 32 / step_s), SHAPE, LARGE, PEAKS)
    assert found.mfu < 0.1
    assert found.mbu == pytest.approx(0.6, rel=0.01)
    assert found.prefill_limited_by == found.decode_limited_by == "memory bandwidth"
    silent = roofline(demo, speed(None, None), SHAPE, LARGE, PEAKS)
    assert silent.decode_limited_by is None and silent.decode_limited_by_why


def test_a_share_above_one_is_not_shown_and_says_why(demo):
    bound = roofline(demo, speed(1.0, 1.0), SHAPE, LARGE, PEAKS)
    found = roofline(
        demo, speed(bound.bandwidth_bound_tok_s / 2, bound.arithmetic_bound_tok_s * 1.84), SHAPE, LARGE, PEAKS
    )
    assert found.mbu == pytest.approx(0.5)
    assert found.mfu is None and "1.84 times what the measured peak allows" in found.mfu_why
    assert found.prefill_limited_by is None and found.arithmetic_bound_tok_s is not None


def test_without_peak_rates_every_share_says_why(demo):
    found = roofline(demo, speed(1.0, 1.0), SHAPE, LARGE, None).model_dump()
    assert {value for key, value in found.items() if key.endswith("_why")} == {"benchmark.ceilings is off"}
    assert not [value for key, value in found.items() if not key.endswith("_why") and value is not None]


def test_of_a_mixture_of_experts_only_the_active_parameters_are_read():
    mixtral = dataclasses.replace(
        LARGE, parameters=46_702_792_704, weight_bytes=2 * 46_702_792_704, inactive_parameters=33_822_867_456,
        embedding_parameters=131_072_000, head_parameters=131_072_000, tied=False, experts=8, experts_used=2,
    )  # fmt: skip
    peaks = PEAKS.model_copy(update={"memory_bandwidth_gb_s": 1000.0})
    found = bounds(mixtral, 1, 1, 0, peaks, 1).decode_bandwidth
    active = 46_702_792_704 - 33_822_867_456 - 131_072_000  # of the vocabulary's table one row is read
    assert found == pytest.approx(1e12 / (2 * active), rel=1e-4)
    assert found == pytest.approx(38.8, rel=0.02)


def test_what_the_facts_do_not_tell_is_null_with_their_reason(demo):
    unknown = dataclasses.replace(LARGE, layers=None, why={"layers": "the layers are not known"})
    found = roofline(demo, speed(1.0, 1.0), SHAPE, unknown, PEAKS)
    assert found.mbu is None and found.mbu_why == "the layers are not known"
    assert found.mfu is None and found.arithmetic_bound_tok_s_why == "the layers are not known"
    assert found.decode_limited_by is None and found.decode_limited_by_why


@pytest.mark.parametrize(
    ("backend", "sizes", "requests", "expected"),
    [
        ("cuda", (1, 1, 1), 8, 1),
        ("cuda", (4, 1, 1), 1, 4),
        ("ascend", (2, 2, 1), 8, 4),
        ("ascend", (2, 2, 1), 1, 2),  # one request is in one stage at a time
        ("cuda", (1, 1, 4), 2, 2),  # two replicas have nothing to do
        ("cpu", (2, 1, 1), 8, 1),  # ranks share the host whose peak was measured
    ],
)
def test_devices_that_work_at_the_same_time(demo, backend, sizes, requests, expected):
    keys = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
    spread = demo.engine.model_copy(update=dict(zip(keys, sizes, strict=True)))
    platform = demo.platform.model_copy(update={"backend": backend})
    found = demo.model_copy(update={"engine": spread, "platform": platform})
    assert devices(found, requests) == expected
    one, four = (bounds(LARGE, 8, 32, 16, PEAKS, count) for count in (1, 4))
    assert four.decode_bandwidth == pytest.approx(4 * one.decode_bandwidth)
    assert four.prefill_arithmetic == pytest.approx(4 * one.prefill_arithmetic)
