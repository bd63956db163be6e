"""Architecture facts against transformers, torch and safetensors, and the card's own model exactly."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import samples_facts
import torch
from evalpress import model
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.model import config, weights
from evalpress.model.config import Configuration
from evalpress.model.facts import read
from evalpress.params.schema import EngineParams, ModelParams, Params, PlatformParams
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

SHAPE = ROOT / "models" / "qwen2-0.5b-shape"
TINY = {
    **{"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 256},
}
KINDS: dict[str, dict[str, Any]] = {
    "qwen2": {"tie_word_embeddings": True, "rope_theta": 1e6},
    "llama": {"tie_word_embeddings": False},
    "qwen3": {"tie_word_embeddings": True, "head_dim": 32},
    "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "decoder_sparse_step": 1},
}


def _params(path: str | Path, **changes: Any) -> Params:
    return Params(
        set="x",
        title="x",
        model=ModelParams(path=str(path), **changes),
        platform=PlatformParams(backend="cpu"),
        engine=EngineParams(dtype="bfloat16"),
    )


def _save(kind: str, folder: Path, **how: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    built = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **TINY, **KINDS[kind])).eval()
    built.save_pretrained(folder, **how)
    return built


@pytest.fixture(scope="module", params=sorted(KINDS))
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreTrainedModel]:
    folder = tmp_path_factory.mktemp(request.param)
    return folder, _save(request.param, folder)


def test_the_cards_model_exactly() -> None:
    rows = model.describe(_params("models/qwen2-0.5b-shape", weights="random"))
    assert rows["parameters"] == rows["parameters_by_architecture"] == 494_032_768
    assert rows["weight_bytes"] == 988_065_536
    assert rows["weight_mib"] == pytest.approx(942.3, abs=0.05)
    assert rows["kv_bytes_per_token"] == 12_288
    card = {
        **{"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
        **{"num_key_value_heads": 2, "vocab_size": 151_936, "max_position_embeddings": 131_072},
        **{"rope_theta": 1_000_000, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "hidden_act": "silu"},
        **{"architectures": ["Qwen2ForCausalLM"], "config_dtype": "bfloat16"},
    }
    assert {key: rows[key] for key in card} == card
    assert all(f"{key}_why" in rows for key, value in rows.items() if value is None)
    assert rows["base_model"] is True


def test_counts_are_those_of_transformers(saved: tuple[Path, PreTrainedModel]) -> None:
    folder, built = saved
    found = read(folder, "bfloat16")
    assert found.parameters_from == "architecture"
    assert found.parameters == built.num_parameters()
    stored = weights.stored(folder, found.tied)
    assert stored is not None
    assert stored.numbers == built.num_parameters()
    assert found.weight_bytes == 2 * built.num_parameters()


def test_kv_bytes_are_what_a_real_cache_holds(saved: tuple[Path, PreTrainedModel]) -> None:
    folder, built = saved
    ids = torch.arange(10)[None]
    with torch.no_grad():
        cache = built(ids, use_cache=True).past_key_values
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert read(folder, "float32").kv_bytes_per_token == held / ids.numel()
    assert read(folder, "bfloat16").kv_bytes_per_token == held / ids.numel() / 2


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_flops_are_those_that_torch_counts(kind: str, tmp_path: Path) -> None:
    built = _save(kind, tmp_path)
    built.set_attn_implementation("eager")  # torch does not count inside its fused CPU attention
    found = read(tmp_path, "float32")
    for tokens in (1, 16):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            built(torch.arange(tokens)[None])
        # torch counts the full square of the attention scores and the output matrix at every position.
        square = 4 * found.attention_width * (tokens**2 - tokens * (tokens + 1) // 2)
        outputs = 2 * found.embedding_parameters * (tokens - 1)
        assert found.prefill_flops(tokens) + square + outputs == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert found.decode_flops(1) == found.prefill_flops(1)
    assert found.flops_per_token(16) == found.prefill_flops(16) / 16


def test_a_mixture_counts_only_the_experts_that_a_token_uses(tmp_path: Path) -> None:
    _save("qwen3_moe", tmp_path)
    found = read(tmp_path, "float32")
    one_expert = 3 * 64 * 32
    assert found.inactive_parameters == 3 * 2 * one_expert
    assert model.describe(_params(tmp_path))["experts"] == 4


def test_headers_are_what_safetensors_reads(saved: tuple[Path, PreTrainedModel]) -> None:
    folder, _ = saved
    (path,) = weights.files(folder)
    with safe_open(path, "pt") as file:
        expected = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert {name: list(tensor.shape) for name, tensor in weights.header(path).items()} == expected


def test_a_sharded_model_counts_its_shards_only(tmp_path: Path) -> None:
    built = _save("llama", tmp_path, max_shard_size="100KB")
    assert len(weights.files(tmp_path)) > 1
    (tmp_path / "consolidated.safetensors").write_bytes(weights.files(tmp_path)[0].read_bytes())
    assert read(tmp_path, "bfloat16").parameters == built.num_parameters()


def test_a_tied_copy_and_old_buffers_are_not_counted(tmp_path: Path) -> None:
    built = _save("qwen2", tmp_path)
    from safetensors.torch import load_file, save_file

    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(tensors, tmp_path / "model.safetensors")
    found = weights.stored(tmp_path, tied=True)
    assert found is not None
    assert found.numbers == built.num_parameters()


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("bytes") / "model.safetensors"
    path.write_bytes(data)
    try:
        assert weights.header(path) == {}
    except UserError as error:
        assert "\n" not in str(error)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    _save("qwen2", tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match="model.safetensors: not a safetensors file: .*incomplete"):
        read(tmp_path, "bfloat16")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not found: this is no model folder"),
        ("{", "not readable"),
        ("[]", "allowed a JSON object"),
    ],
)
def test_a_broken_config_is_one_line(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        config.read(tmp_path)
    assert "\n" not in str(error.value)


def test_rope_theta_in_both_forms() -> None:
    assert config.rope_theta(Configuration({"rope_theta": 1e6})) == 1e6
    assert config.rope_theta(Configuration({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}})) == 5e5
    assert config.rope_theta(Configuration({})) is None


def test_base_or_instruct(tmp_path: Path) -> None:
    _save("qwen2", tmp_path)
    assert model.base_model(_params(tmp_path)) == (True, "the model has no chat template")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert model.chat_template(tmp_path) == "{{ messages }}"
    assert model.base_model(_params(tmp_path))[0] is False
    assert model.base_model(_params(tmp_path, base_model=True))[0] is True


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    _save("qwen2", tmp_path)
    first = model.folder_digest(tmp_path)
    path = tmp_path / "model.safetensors"
    assert first["files"][path.name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert model.folder_digest(tmp_path)["sha256"] != first["sha256"]


def test_adaptation(tmp_path: Path) -> None:
    _save("qwen2", tmp_path)
    supported = ["LlamaForCausalLM", "Qwen2ForCausalLM", "TransformersForCausalLM"]
    native = model.adaptation(tmp_path, supported, None, [])
    assert (native["status"], native["registered"]) == ("none", True)
    assert model.adaptation(tmp_path, supported[2:], None, [])["status"] == "fallback"
    assert model.adaptation(tmp_path, supported[:1], None, [])["status"] == "unsupported"
    on_npu = model.adaptation(tmp_path, supported, "ascend", [{"name": "ascend"}])
    assert on_npu["platform_plugin_installed"] is True
    stated = {
        **TINY,
        "model_type": "unheard-of",
        "architectures": ["NewForCausalLM"],
        "auto_map": {"AutoConfig": "a.B"},
    }
    (tmp_path / "config.json").write_text(json.dumps(stated))
    own = model.adaptation(tmp_path, supported, None, [])
    assert own["status"] == "remote_code"
    assert own["remote_code"] == {"ships_code": True, "needed": True}


def test_an_engine_dtype_decides_the_bytes() -> None:
    basis = samples_facts.dense(parameters=1000, embedding=100, dtype="float32", kv_values=8, width=4)
    assert (basis.weight_bytes, basis.kv_bytes_per_token, basis.body_parameters) == (4000, 32, 900)
