"""Faults planted in the real engine's decode path: the comparison of prefill logits passes, that of decode finds them.

| fault | prefill gates | found by |
|---|---|---|
| rotary position one too high in every decode step | pass | decode: noise ratio and KL |
| KV slot shifted by one from the second decode step on | pass | decode: noise ratio and KL |
| the third token is picked | pass | decode: chosen_is_argmax and unexplained flips |
| a stale block is read after a hit in the prefix cache | pass | decode, prefix cache run: noise ratio, KL, outliers |
| one head rounded to 8 bits (e5m2) when requests share a batch | pass | decode, concurrent run: beside_alone |
| noise on one row of hidden states in a thousand | pass | decode: outlier_positions |
| log-probabilities in place of logits | pass: what a shift changes is not judged | named, as the scale of the run |
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
from evalpress import params
from evalpress.core.paths import ROOT
from evalpress.params.schema import Params
from evalpress.sections.alignment import section
from evalpress.sections.alignment.gates import gates
from evalpress.sections.alignment.passes import every_pass
from evalpress.sections.alignment.results import Results
from evalpress.sections.alignment.section import tokenised
from planted_engine import (
    Plant,
    log_probabilities,
    one_outlier,
    planted,
    rounded_head,
    shifted_slot,
    stale_block,
    third_token,
    wrong_position,
)
from transformers import AutoTokenizer

pytestmark = [pytest.mark.slow, pytest.mark.engine]


@pytest.fixture(scope="module")
def demo() -> Params:
    loaded = params.load("demo")
    short = loaded.alignment.model_copy(update={"max_position": 140, "decode_tokens": 16, "vllm_positions": 4})
    only_eager = loaded.engine.model_copy(update={"modes": ("eager",)})
    return loaded.model_copy(update={"alignment": short, "engine": only_eager})


def judged(p: Params, plant: AbstractContextManager[None]) -> tuple[Results, dict[str, str]]:
    """The section's results of the eager engine, and its gates; without hidden states, which prefill alone gives."""
    texts = tokenised(p, AutoTokenizer.from_pretrained(ROOT / "models" / "demo"))
    with plant:
        asked = section.ask_engines(p, texts)
    request = replace(section.request_of(p, texts, asked.answers), prompts=())
    found = section.judge(p, texts, str, asked, request, every_pass(request), lambda _: "none")
    return found, {gate.id: gate.status for gate in gates(p, found)}


@pytest.mark.parametrize(
    ("plant", "finders"),
    [
        (None, set()),
        (wrong_position, {"noise_ratio", "kl_divergence"}),
        (shifted_slot, {"noise_ratio", "kl_divergence"}),
        (third_token, {"chosen_is_argmax", "unexplained_flips"}),
        (stale_block, {"noise_ratio", "kl_divergence", "outlier_positions"}),
        (rounded_head, {"beside_alone"}),
        (one_outlier, {"outlier_positions"}),
    ],
    ids=["sound", "wrong position", "shifted slot", "third token", "stale block", "rounded head", "one outlier"],
)
def test_a_fault_of_decode_is_found_there_and_not_in_prefill(
    demo: Params, plant: Plant | None, finders: set[str]
) -> None:
    _, status = judged(demo, planted(demo, plant))
    prefill = {name: one for name, one in status.items() if not name.startswith("decode.")}
    assert "fail" not in prefill.values()
    failed = {name.rsplit(".", 1)[1] for name, one in status.items() if one == "fail"}
    assert failed >= finders
    assert bool(failed) is (plant is not None)


def test_an_engine_that_gives_log_probabilities_is_named_and_not_failed(demo: Params) -> None:
    found, status = judged(demo, planted(demo, log_probabilities))
    run = found.candidates["vllm_eager"]
    assert run.scale == "log_probabilities"
    assert run.cosine_similarity is None
    assert "log-probabilities" in str(run.cosine_similarity_why)
    assert run.centred_noise_ratio is not None
    assert run.centred_noise_ratio < 2
    assert status["vllm_eager.cosine_similarity"] == "off"
    assert status["vllm_eager.noise_ratio"] == "pass"
    assert "fail" not in status.values()
