"""Published figures beside measured ones: the same model and device class, or not comparable with the reason."""

from __future__ import annotations

import pytest
from evalpress import params
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.summary.claims import beside
from filled import filled

LOAD = {"kind": "throughput", "alone": False, "num_prompts": 50, "input_len": 64, "output_len": 50}
SINGLE = {"kind": "decode", "alone": True, "num_prompts": 1, "input_len": 32, "output_len": 128}


def figures(rate, ttft):
    load = {"output_throughput": rate, "request_throughput": rate / 50, "cv_output_throughput": 0.02, "n_blocks": 4}
    return {"workloads": {"throughput": load, "decode": load | {"mean_ttft_ms": ttft}}}


DATA = {
    "benchmark": filled(
        Benchmark,
        {
            "workloads": {"throughput": LOAD, "decode": SINGLE},
            "modes": {"eager": figures(3400, 25.8), "compiled": figures(7000, 15.0)},
        },
    ),
    "alignment": filled(
        Alignment, {"candidates": {"vllm_eager": {"cosine_similarity": 0.9994, "top1_agreement": 0.8}}}
    ),
}


@pytest.fixture
def ascend():
    return params.load("qwen2-0.5b-ascend910")


def test_the_same_model_on_the_same_device_is_compared(ascend):
    found = {one.quantity: one for one in beside(ascend, DATA, "Ascend910")}
    assert found["output_throughput.eager"].status == "consistent"  # 3,411.4 tok/s is within 3,333 to 3,467
    assert found["output_throughput.compiled"].status == "inconsistent"
    assert found["ttft.eager"].status == "consistent"
    assert found["logits.cosine_similarity"].status == "consistent"
    assert "50 requests of 64 tokens in and 50 out" in found["output_throughput.eager"].why


def test_another_device_and_another_model_are_not(ascend):
    cpu = params.load("qwen2-0.5b-cpu")
    assert {one.status for one in beside(cpu, DATA, "AMD EPYC")} == {"not_comparable"}
    other = ascend.model_copy(update={"model": ascend.model.model_copy(update={"name": "Other"})})
    assert all("claimed for Qwen2-0.5B, measured on Other" in one.why for one in beside(other, DATA, "Ascend910"))


def test_a_set_without_claims_has_none():
    assert beside(params.load("demo"), DATA, "AMD EPYC") == []
