"""Forward passes against transformers' own generation-style use of tiny random models, and the file of logits."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evalpress.core.errors import MeasurementError, UserError
from evalpress.model import forward
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import layers, store
from safetensors import safe_open
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

pytestmark = pytest.mark.slow

SHAPE: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
CONFIGS: dict[str, PretrainedConfig] = {
    "qwen2": Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "llama": LlamaConfig(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE, head_dim=8),
    "gemma2": Gemma2Config(**SHAPE, head_dim=8, final_logit_softcapping=5.0),
    "gpt2": GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=128),
}
TEXTS = {"a": [5, 6, 7], "b": [9] * 5, "c": list(range(40)), "d": [1, 2, 3, 4, 5, 6], "one": [8]}
EVERY = {name: range(len(ids)) for name, ids in TEXTS.items()}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """On one thread: for models this small, threads cost more time than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=list(CONFIGS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(str(request.param))
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(CONFIGS[request.param])
    for weight in model.parameters():
        weight.data.normal_(0, 0.3)
    model.to(torch.bfloat16).save_pretrained(path)
    return path


def gathered(run: forward.Pass, positions: Any = None) -> dict[str, TextLogits]:
    parts: dict[str, list[TextLogits]] = {}
    for name, part in forward.forward(run, TEXTS, positions or EVERY):
        parts.setdefault(name, []).append(part)
    return {
        name: TextLogits(*(np.concatenate([getattr(p, key) for p in found]) for key in ("positions", "values")))
        for name, found in parts.items()
    }


def plain(folder: Path, ids: list[int]) -> Any:
    """transformers as its documentation uses it: one text, no padding, every position."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def test_every_position_of_every_text(folder: Path) -> None:
    with forward.loaded(folder, "float32") as run:
        found = gathered(run)
    for name, ids in TEXTS.items():
        assert found[name].values.dtype == np.float32
        assert found[name].positions.tolist() == list(range(len(ids)))
        np.testing.assert_allclose(found[name].values, plain(folder, ids), atol=2e-5)
    assert run.tokens == sum(map(len, TEXTS.values()))
    assert run.seconds > 0
    assert run.described["attention"] == "sdpa"


def test_chosen_positions_in_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"a": [2], "b": [0, 4], "c": [0, 3, 38, 39], "d": [5], "one": [0]}
    with forward.loaded(folder, "float32") as run:
        whole = gathered(run)
        monkeypatch.setattr(forward, "_MAX_BYTES", 4 * 97 * 3)
        computed: list[str] = []
        for name in ("layer 0", "logits"):
            module = layers.stages(run.model)[name]
            module.register_forward_hook(lambda *_, name=name: computed.append(name))
        found = gathered(run, chosen)
    assert computed.count("layer 0") == len(forward.buckets({name: len(ids) for name, ids in TEXTS.items()}))
    assert computed.count("logits") > computed.count("layer 0")
    for name, positions in chosen.items():
        assert found[name].positions.tolist() == positions
        np.testing.assert_allclose(found[name].values, whole[name].values[positions], atol=2e-5)


def test_bfloat16_pass_is_exact_in_float32_and_repeats(folder: Path) -> None:
    with forward.loaded(folder, "bfloat16") as run:
        first, second = gathered(run), gathered(run)
    for name in TEXTS:
        values = first[name].values
        assert (values.view(np.uint32) & 0xFFFF == 0).all()
        assert values.tobytes() == second[name].values.tobytes()
        assert np.abs(values - plain(folder, TEXTS[name])).max() > 0


def test_a_wrong_dtype_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = AutoModelForCausalLM.from_pretrained
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda path, **options: load(path, dtype=torch.bfloat16)
    )
    with pytest.raises(MeasurementError, match="found weights in bfloat16, allowed float32"):
        forward.loaded(folder, "float32").__enter__()


def test_a_model_is_freed_on_leaving(folder: Path) -> None:
    with forward.loaded(folder, "float32") as run:
        model = weakref.ref(run.model)
        assert model() is not None
    assert model() is None


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="transformers cannot load the model: ") as caught:
        forward.loaded(tmp_path, "float32").__enter__()
    assert "\n" not in str(caught.value)


def test_buckets_hold_texts_of_similar_length() -> None:
    lengths = {"a": 5, "b": 10, "c": 11, "d": 22, "e": 3000, "f": 3001, "g": 1}
    assert forward.buckets(lengths) == [["g"], ["a", "b"], ["c", "d"], ["e"], ["f"]]
    assert forward.buckets({}) == []


IDENTITY = store.Identity("m" * 64, "t" * 64, "p" * 64)
LOGITS = {
    "a": TextLogits(np.array([0, 3]), np.arange(10, dtype=np.float32).reshape(2, 5)),
    "b": TextLogits(np.array([7]), np.full((1, 5), -0.5, np.float32)),
}


def save(path: Path, parts: Any = None) -> None:
    positions = {name: part.positions.tolist() for name, part in LOGITS.items()}
    store.save(path, IDENTITY, {"dtype": "float32"}, positions, 5, parts or LOGITS.items())


def test_a_saved_file_is_read_back_and_is_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "logits.safetensors"
    a, b = LOGITS["a"], LOGITS["b"]
    reversed_parts = [("b", b), ("a", TextLogits(a.positions[1:], a.values[1:]))]
    save(path, [*reversed_parts, ("a", TextLogits(a.positions[:1], a.values[:1]))])
    found, origin = store.load(path, IDENTITY)
    assert origin == {"dtype": "float32"}
    with safe_open(path, "np") as file:
        assert file.metadata()["model"] == IDENTITY.model
        for name, part in LOGITS.items():
            np.testing.assert_array_equal(found[name].values, part.values)
            np.testing.assert_array_equal(found[name].positions, part.positions)
            np.testing.assert_array_equal(file.get_tensor(f"{name}.logits"), part.values)
            np.testing.assert_array_equal(file.get_tensor(f"{name}.positions"), part.positions)


@pytest.mark.parametrize("key", ["model", "tokenizer", "prompts"])
def test_logits_of_something_else_are_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "logits.safetensors"
    save(path)
    other = store.Identity(**{**IDENTITY.__dict__, key: "x" * 64})
    with pytest.raises(
        UserError, match=f"logits.safetensors: these logits are of another {key}: found sha256 {key[0]}"
    ):
        store.load(path, other)


def test_missing_or_repeated_positions_leave_no_file(tmp_path: Path) -> None:
    path = tmp_path / "logits.safetensors"
    with pytest.raises(MeasurementError, match="b: found no logits of position 7"):
        save(path, [("a", LOGITS["a"])])
    with pytest.raises(MeasurementError, match="a: found a position twice"):
        save(path, [("a", LOGITS["a"]), ("a", LOGITS["a"])])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 4, b"\xff" * 64, b"hello, this is a text file", (16).to_bytes(8, "little") + b'{"a": 1}        '],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="other.safetensors: ") as caught:
        store.load(path, IDENTITY)
    assert "\n" not in str(caught.value)


def test_a_missing_or_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "logits.safetensors"
    with pytest.raises(UserError, match="No such file"):
        store.load(path, IDENTITY)
    save(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="found .* bytes, allowed"):
        store.load(path, IDENTITY)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match="format: found 'pt'"):
        store.load(path, IDENTITY)
