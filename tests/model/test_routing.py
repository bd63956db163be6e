"""How routers choose, read from their own outputs: equal to the scores that transformers' model gives back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from evalpress.model import routing
from transformers import MixtralConfig, MixtralForCausalLM

SIZES = {
    **{"vocab_size": 64, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"num_key_value_heads": 1, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": None},
}


@pytest.fixture(scope="module")
def mixtral():
    torch.manual_seed(3)
    return MixtralForCausalLM(MixtralConfig(**SIZES)).eval()


def test_margins_are_those_between_the_last_expert_taken_and_the_first_one_left(mixtral):
    tokens = torch.arange(10).reshape(2, 5)
    with torch.inference_mode(), routing.watched(mixtral) as chosen:
        stated = mixtral(tokens, output_router_logits=True).router_logits
    assert len(chosen) == len(stated) == 2
    for found, logits in zip(chosen, stated, strict=True):
        ordered = np.sort(logits.numpy(), axis=1)[:, ::-1]
        np.testing.assert_allclose(found[:, 0], ordered[:, 1] - ordered[:, 2], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(found[:, 1], np.abs(ordered).max(axis=1), rtol=1e-6)
    with torch.inference_mode():
        mixtral(tokens)
    assert len(chosen) == 2  # the hooks are gone


def test_a_dense_block_has_no_router(mixtral):
    assert len(routing.routers(mixtral)) == 2
    assert routing.routers(mixtral.model.layers[0].self_attn) == []
