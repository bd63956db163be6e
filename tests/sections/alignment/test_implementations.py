"""The correct implementations of a mixture of experts compute the same function in another order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from evalpress.sections.alignment import implementations
from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig, Qwen3MoeConfig

SHAPE: dict[str, Any] = {
    **{"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1},
    **{"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64},
}
CONFIGS: dict[str, Any] = {
    "mixtral": MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=3),
    "qwen3-moe": Qwen3MoeConfig(**SHAPE, head_dim=16, num_experts=4, num_experts_per_tok=3, moe_intermediate_size=24),
}
TOKENS = torch.arange(20).reshape(1, -1)


def _model(config: Any, dtype: torch.dtype) -> Any:
    torch.manual_seed(1)
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(config)
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.data.normal_(0, 0.2)
    return model.to(dtype).eval()


def _logits(model: Any) -> Any:
    with torch.no_grad():
        return model(TOKENS).logits.float().numpy()


@pytest.mark.parametrize("name", CONFIGS)
def test_experts_in_a_loop_and_backwards_are_the_same_function(name: str) -> None:
    model = _model(CONFIGS[name], torch.float32)
    plain = _logits(model)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    for context in implementations.named(model, ("sdpa",)).values():
        with context():
            np.testing.assert_allclose(_logits(model), plain, atol=1e-4)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    np.testing.assert_array_equal(_logits(model), plain)


def test_another_order_of_experts_rounds_otherwise() -> None:
    """Three experts a token: of two the order makes no difference."""
    model = _model(CONFIGS["mixtral"], torch.bfloat16)
    found = {}
    for name, context in implementations.named(model, ("sdpa",)).items():
        with context():
            found[name] = _logits(model)
    plain, loop, turned = (
        found[f"sdpa{more}"] for more in ("", ", experts in a loop", ", experts in a loop, backwards")
    )
    assert 0 < np.abs(plain - loop).max() < 0.5
    assert 0 < np.abs(turned - loop).max() < 0.5


def test_a_dense_model_has_no_experts_to_order() -> None:
    names = implementations.named(_model(LlamaConfig(**SHAPE), torch.float32), ("sdpa",))
    assert not [name for name in names if "experts" in name]
