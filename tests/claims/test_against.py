"""Published figures beside measured ones: the same thing, or not comparable with a reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from evalpress.claims import load
from evalpress.claims.against import Measured, compare

CARD = {
    "source": {"title": "A card", "publisher": "somebody", "document": "README", "language": "en"},
    "model": {"name": "Tiny", "architecture": "Qwen2ForCausalLM", "dtype": "bfloat16"},
    "environment": {"backend": "ascend", "device": "Ascend 910B4"},
    "comparison": [{"metric": "output_throughput", "eager": "100 tok/s", "compiled": "150 tok/s"}],
    "accuracy": [{"task": "humaneval", "value": "22.0%"}],
}
SCORE = Measured("accuracy.humaneval", 0.2, 0.15, 0.27, "share", "cpu", "AMD EPYC", "Tiny")
SPEED = Measured("output_throughput.eager", 101, 99, 103, "tok/s", "ascend", "ascend910B4", "Tiny", "64 in, 50 out")


@pytest.fixture
def card(tmp_path):
    (tmp_path / "card.yaml").write_text(json.dumps(CARD))
    return load(tmp_path / "card.yaml")


@pytest.mark.parametrize(
    ("measured", "status", "why"),
    [
        (SCORE, "consistent", "have a value in common"),
        (replace(SCORE, value=0.1, low=0.05, high=0.15), "inconsistent", "no value is in both"),
        (replace(SCORE, model="Other"), "not_comparable", "claimed for Tiny, measured on Other"),
        (SPEED, "consistent", "the card does not say which requests"),
        (replace(SPEED, value=80, low=79, high=81), "inconsistent", "no value is in both"),
        (replace(SPEED, backend="cpu", device="AMD EPYC"), "not_comparable", "claimed on Ascend 910B4"),
        (replace(SPEED, device="Ascend 910B2"), "not_comparable", "measured on Ascend 910B2"),
    ],
)
def test_a_claim_beside_a_measurement(card, measured, status, why):
    (found,) = compare(card, [measured])
    assert found.status == status
    assert why in found.why


def test_what_the_card_does_not_print_is_left_out(card):
    assert compare(card, [replace(SCORE, quantity="accuracy.gsm8k")]) == []
