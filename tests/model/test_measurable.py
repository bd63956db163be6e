"""A model that cannot be measured is refused in one line, from its files alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from evalpress.core.errors import UserError
from evalpress.model import installed_vllm, measurable
from evalpress.params.schema import EngineParams, ModelParams, Params, PlatformParams

LLAMA: dict[str, Any] = {
    **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 128, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "vocab_size": 2048, "max_position_embeddings": 128},
}


def _params(folder: Path, longest: int = 128, **engine: Any) -> Params:
    return Params(
        set="x",
        title="x",
        model=ModelParams(path=str(folder)),
        platform=PlatformParams(backend="cpu"),
        engine=EngineParams(max_model_len=longest, **engine),
        benchmark={"scaling": None},
        serving={"input_len": 32, "output_len": 32},
    )


def _folder(folder: Path, stated: dict[str, Any], *files: str) -> Path:
    (folder / "config.json").write_text(json.dumps(stated), encoding="utf-8")
    for name in files or ("tokenizer.json",):
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def test_a_causal_model_passes(tmp_path: Path) -> None:
    measurable.check(_params(_folder(tmp_path, LLAMA)))


@pytest.mark.parametrize("name", ["tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "qwen.tiktoken"])
def test_any_tokenizer_file_is_a_tokenizer(name: str, tmp_path: Path) -> None:
    measurable.check(_params(_folder(tmp_path, LLAMA, name)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "not a causal language model"),
        ({"architectures": ["RobertaForSequenceClassification"]}, "not a causal language model"),
        ({"architectures": ["Qwen3Model"], "model_type": "qwen3"}, "not a causal language model"),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "encoder-decoder"),
        ({"architectures": ["Qwen2VLForConditionalGeneration"]}, "multimodal"),
        ({"architectures": None}, "names no architecture"),
        ({"architectures": ["MambaForCausalLM"], "model_type": "mamba"}, "on a CPU: its build has no selective scan"),
        ({"architectures": ["DeepseekV32ForCausalLM"], "index_topk": 2048}, "no sparse attention"),
        ({"quantization_config": {"quant_method": "exl9"}}, "quantised by 'exl9'"),
        ({"quantization_config": {"quant_method": "modelopt_fp4"}}, "no CPU kernels"),
    ],
)
def test_what_cannot_be_measured(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        measurable.check(_params(_folder(tmp_path, {**LLAMA, **changes})))
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("params/x.yaml: model.path: ")


def test_an_embedding_model_by_its_pooling(tmp_path: Path) -> None:
    folder = _folder(tmp_path, LLAMA)
    (folder / "modules.json").write_text('[{"type": "sentence_transformers.models.Pooling"}]', encoding="utf-8")
    with pytest.raises(UserError, match="an embedding model"):
        measurable.check(_params(folder))


def test_no_tokenizer_and_too_long_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        measurable.check(_params(_folder(tmp_path, LLAMA, "README.md"), longest=512))
    first, second = str(error.value).splitlines()
    assert "no tokenizer" in first
    assert second == "params/x.yaml: engine.max_model_len: found 512, the model's max_position_embeddings allows 128"
    allowed = {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}
    measurable.check(_params(_folder(tmp_path, LLAMA), longest=512, env=allowed))


def test_the_registry_of_the_installed_vllm_is_read() -> None:
    assert {"LlamaForCausalLM", "Qwen2ForCausalLM", "SmolLM3ForCausalLM"} <= installed_vllm.generates()
    assert "Qwen2VLForConditionalGeneration" in installed_vllm.multimodal()
    assert "BertForMaskedLM" in installed_vllm.other_tasks()
    assert {"gptq", "awq", "fp8"} <= installed_vllm.quantisations()
