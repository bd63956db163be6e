"""The verb `facts`: text and JSON of folders and bare configurations, without an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evalpress.cli import main

GPT2 = {
    **{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 2048, "n_positions": 256},
    **{"n_embd": 128, "n_layer": 2, "n_head": 4},
}
OPT = {
    **{"architectures": ["OPTForCausalLM"], "model_type": "opt", "vocab_size": 2048, "hidden_size": 128},
    **{"num_hidden_layers": 2, "ffn_dim": 256, "num_attention_heads": 4, "max_position_embeddings": 256},
    **{"word_embed_proj_dim": 64, "do_layer_norm_before": False},
}
MLA = {
    **{"architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "vocab_size": 2048},
    **{"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 4, "kv_lora_rank": 512, "q_lora_rank": None, "qk_rope_head_dim": 64},
    **{"qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 8, "n_shared_experts": 1},
    **{"num_experts_per_tok": 2, "moe_intermediate_size": 64, "first_k_dense_replace": 1, "topk_method": "greedy"},
}
ERNIE = {
    **{"architectures": ["Ernie4_5_MoeForCausalLM"], "model_type": "ernie4_5_moe", "vocab_size": 2048},
    **{"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 64},
    **{"moe_num_shared_experts": 1, "moe_layer_start_index": 1, "tie_word_embeddings": True},
}


def _facts(tmp_path: Path, capsys: pytest.CaptureFixture[str], stated: dict[str, Any], *more: str) -> dict[str, Any]:
    path = tmp_path / "any-name.json"
    path.write_text(json.dumps(stated), encoding="utf-8")
    assert main(["facts", str(path), "--json", *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert not [key for key, value in found.items() if value is None and not found.get(f"{key}_why")]
    return found


def test_names_of_other_families(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gpt2 = _facts(tmp_path, capsys, GPT2, "--engine-dtype", "bfloat16")
    assert (gpt2["parameters"], gpt2["kv_bytes_per_token"], gpt2["weight_bytes"]) == (691_712, 1024, 1_383_424)
    opt = _facts(tmp_path, capsys, OPT)
    assert (opt["embedding_parameters"], opt["body_parameters"]) == (131_072, 314_368)
    mla = _facts(tmp_path, capsys, MLA, "--engine-dtype", "bfloat16")
    assert (mla["attention_width"], mla["kv_bytes_per_token"]) == (1280, 2 * 576 * 2)
    ernie = _facts(tmp_path, capsys, ERNIE)
    assert (ernie["experts"], ernie["experts_used"], ernie["inactive_parameters"]) == (8, 2, 147_456)


def test_a_kv_dtype_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _facts(tmp_path, capsys, GPT2, "--kv-dtype", "fp8")["kv_bytes_per_token"] == 512
    stated = {"quant_method": "compressed-tensors", "kv_cache_scheme": {"type": "float", "num_bits": 8}}
    found = _facts(tmp_path, capsys, {**GPT2, "quantization_config": stated})
    assert (found["kv_dtype"], found["kv_bytes_per_token"], found["weight_bytes"]) == ("fp8", 512, None)


def test_an_unknown_architecture_is_null_with_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = _facts(tmp_path, capsys, {"model_type": "unheard-of", "architectures": ["NewForCausalLM"]})
    assert found["architecture"] == "NewForCausalLM"
    assert found["parameters"] is None
    assert "does not support the architecture" in found["parameters_why"]
    assert found["kv_bytes_per_token_why"] == "config.json states no number of layers"


def test_wrong_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["facts", str(tmp_path / "none")], ["facts", str(tmp_path)]):
        assert main(command) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert main(["facts", "models/demo", "--engine-dtype", "int3"]) == 2
    assert "--engine-dtype: found 'int3', allowed bfloat16" in capsys.readouterr().err


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["facts", "models/qwen2-0.5b-shape"]) == 0
    out = capsys.readouterr().out
    assert "494,032,768" in out
    assert "12,288" in out
