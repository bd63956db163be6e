"""What layers keep and compute, from configurations as their files state them: no library reads them."""

from __future__ import annotations

from typing import Any

import pytest
from evalpress.model import layers
from evalpress.model.config import Configuration, positions

PLAIN: dict[str, Any] = {
    **{"model_type": "llama", "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4},
    **{"num_key_value_heads": 2},
}
MLA = {
    "num_attention_heads": 4,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}


def _totals(**stated: Any) -> tuple[int, int]:
    found = layers.of(Configuration(stated))
    return sum(layer.kv_values for layer in found), sum(layer.width for layer in found)


@pytest.mark.parametrize(
    ("changes", "kv", "width"),
    [
        ({}, 4 * 2 * 2 * 32, 4 * 4 * 32),
        ({"head_dim": 64}, 4 * 2 * 2 * 64, 4 * 4 * 64),
        ({"num_key_value_heads": None}, 4 * 2 * 4 * 32, 4 * 4 * 32),
        ({"num_key_value_heads": None, "multi_query": True}, 4 * 2 * 32, 4 * 4 * 32),
        ({"num_key_value_heads": None, "num_kv_heads": 2, "new_decoder_architecture": True}, 4 * 4 * 32, 4 * 4 * 32),
        ({"num_key_value_heads": None, "multi_query_attention": True, "multi_query_group_num": 2}, 512, 512),
        ({"num_key_value_heads": 1, "attn_config": {"kv_n_heads": 2}}, 512, 512),
        ({"num_key_value_heads": [1, 1, 2, 4], "num_attention_heads": 4}, 2 * 8 * 32, 512),
        ({"head_dim": 48, "v_head_dim": 16}, 4 * 2 * 64, 4 * 4 * 32),
        ({"attn_layer_period": 4, "attn_layer_offset": 2}, 2 * 2 * 32, 4 * 32),
        ({"layer_types": ["linear_attention", "full_attention"] * 2}, 2 * 128, 2 * 128),
        ({"layer_types": ["mamba", "mlp", "attention", "moe"]}, 128, 128),
        ({"num_kv_shared_layers": 3}, 128, 512),
        ({**MLA, "model_type": "deepseek_v2"}, 4 * 576, 4 * 4 * 160),
        ({**MLA, "model_type": "minicpm3"}, 4 * 2 * 4 * 192, 4 * 4 * 160),
        ({"layer_types": ["sliding_attention"] * 4, "swa_num_key_value_heads": 4}, 4 * 2 * 4 * 32, 512),
    ],
)
def test_values_kept_and_width(changes: dict[str, Any], kv: int, width: int) -> None:
    assert _totals(**PLAIN | changes) == (kv, width)


def test_other_names_of_the_same_quantity() -> None:
    assert _totals(n_embd=128, n_layer=4, n_head=4) == (4 * 2 * 4 * 32, 4 * 4 * 32)
    assert _totals(d_model=128, n_layers=4, n_heads=4) == (4 * 2 * 4 * 32, 4 * 4 * 32)
    assert _totals(model_type="x", text_config=PLAIN) == (4 * 2 * 2 * 32, 4 * 4 * 32)


def test_windows_of_sliding_and_chunked_layers() -> None:
    kinds = ["sliding_attention", "full_attention", "chunked_attention", "full_attention"]
    found = layers.of(Configuration({**PLAIN, "layer_types": kinds, "sliding_window": 32, "attention_chunk_size": 64}))
    assert [(layer.reach, layer.window) for layer in found] == [
        ("sliding", 32),
        ("full", None),
        ("chunked", 64),
        ("full", None),
    ]


def test_a_recurrent_state_stands_in_place_of_kv() -> None:
    mamba = {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256, "state_size": 16, "conv_kernel": 4}
    found = layers.of(Configuration(mamba))
    assert [(layer.kv_values, layer.state_values) for layer in found] == [(0, 256 * 3 + 256 * 16)] * 2
    heads = {"num_hidden_layers": 1, "mamba_num_heads": 8, "mamba_head_dim": 32, "ssm_state_size": 32, "n_groups": 1}
    (layer,) = layers.of(Configuration({**heads, "hidden_size": 128, "conv_kernel": 4}))
    assert layer.state_values == 9152  # vLLM 0.32 on CPU: MambaSpec page of 18,304 bytes in bfloat16


def test_what_is_not_stated_is_told() -> None:
    with pytest.raises(layers.UnknownLayersError, match="no number of layers"):
        layers.of(Configuration({"model_type": "unheard-of"}))
    with pytest.raises(layers.UnknownLayersError, match="neither head_dim nor hidden size"):
        layers.of(Configuration({"num_hidden_layers": 1, "num_attention_heads": 4}))


@pytest.mark.parametrize(
    ("stated", "longest"),
    [
        ({"max_position_embeddings": 128}, 128),
        ({"n_positions": 256}, 256),
        ({"max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384),
        ({"max_position_embeddings": 4096, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 4096),
        ({"max_position_embeddings": 4096, "model_max_length": 8192}, 8192),
        ({}, None),
    ],
)
def test_positions(stated: dict[str, Any], longest: int | None) -> None:
    assert positions(Configuration(stated)) == longest
