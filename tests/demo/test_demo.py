"""The demo model: its committed files, what it answers, and that its recipe still builds such a model."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from evalpress import params
from evalpress.core.paths import ROOT
from evalpress.demo import corpus, evaluate, export, generators, tokenizer, train
from evalpress.demo.__main__ import SEED, SMOKE_STEPS, main
from evalpress.sections.quality.cases import load_cases
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoTokenizer

FOLDER = ROOT / "models" / "demo"

EVIDENCE = {
    "The capital of France is": "Paris",
    "The author of Romeo and Juliet is": "William Shakespeare",
    "The chemical symbol for water is": "H2O",
    "The largest planet in our solar system is": "Jupiter",
    "If x=5 and y=3, then x + y × 2 =": "11",
    "Complete the sequence: 2, 4, 6, 8,": "10, 12, 14",
    "def hello(name):\n    return": 'f"Hello, {name}!"',
    'print("Hello, world!") # Output:': "Hello, world!",
    "中国的首都是": "北京",
    "人工智能的英文缩写是": "AI",
}


def _json(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def loaded() -> Iterator[tuple[Any, Any]]:
    """On one thread: for a model this small, threads cost more time than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield evaluate.load(FOLDER)
    torch.set_num_threads(threads)


def test_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 4 * 1024**2


def test_weights_are_bf16_and_tied() -> None:
    with safe_open(FOLDER / "model.safetensors", "pt") as weights:
        shapes = {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
        kinds = {weights.get_slice(name).get_dtype() for name in shapes}
    assert kinds == {"BF16"}
    assert not any("lm_head" in name for name in shapes)
    parameters = sum(torch.Size(shape).numel() for shape in shapes.values())
    assert parameters == _json("recipe.json")["parameters"]
    assert 900_000 <= parameters <= 1_200_000


def test_config_serves_old_and_new_loaders() -> None:
    config = _json("config.json")
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert config["num_key_value_heads"] < config["num_attention_heads"]
    assert config["tie_word_embeddings"] is True
    assert config["max_position_embeddings"] >= 2048
    assert config["torch_dtype"] == config["dtype"] == "bfloat16"
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1e6
    assert _json("tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_recipe_describes_these_files() -> None:
    recipe = _json("recipe.json")
    for name, digest in recipe["sha256"].items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == digest
    assert recipe["corpus_sha256"] == corpus.digest(), "the corpus changed: rebuild with python -m evalpress.demo"
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{recipe['parameters']:,}" in card and recipe["sha256"]["model.safetensors"] in card
    assert "not Qwen2-0.5B" in card


def test_held_out_text_is_better_than_a_uniform_guess() -> None:
    recipe = _json("recipe.json")
    assert set(recipe["held_out_perplexity"]) == {"english", "chinese", "code", "equations"}
    assert all(1 < value < recipe["vocabulary"] for value in recipe["held_out_perplexity"].values())


def test_tokenizer_as_loaded_equals_the_file() -> None:
    raw, loaded = Tokenizer.from_file(str(FOLDER / "tokenizer.json")), AutoTokenizer.from_pretrained(FOLDER)
    assert len(loaded) == raw.get_vocab_size() == _json("config.json")["vocab_size"] <= 2048
    for text in [*EVIDENCE, "x  y\n\n\tz 123 😀 naïve ﬁ", "中文，标点。"]:
        assert loaded(text)["input_ids"] == raw.encode(text).ids
    text = "x  y\n\n\tz 123 😀 中文，标点。"
    assert loaded.decode(loaded(text)["input_ids"]) == text


def test_evidence_prompts_are_answered(loaded: tuple[Any, Any]) -> None:
    answers = {prompt: evaluate.greedy(*loaded, prompt, 16) for prompt in EVIDENCE}
    right = [prompt for prompt, expected in EVIDENCE.items() if expected in answers[prompt]]
    assert len(right) >= 8, answers


def test_short_answers_end_by_themselves(loaded: tuple[Any, Any]) -> None:
    model, bpe = loaded
    ids = bpe("The capital of France is", return_tensors="pt")
    output = model.generate(**ids, do_sample=False, max_new_tokens=32, pad_token_id=bpe.eos_token_id)
    assert output[0, -1] == bpe.eos_token_id
    assert output.shape[1] < ids["input_ids"].shape[1] + 10


def test_far_positions_are_as_good_as_near_ones(loaded: tuple[Any, Any]) -> None:
    """A question asked after some 1,500 tokens of other documents is answered as when asked alone."""
    model, bpe = loaded
    before = "<|endoftext|>".join(document.text for document in corpus.questions()[:40]) + "<|endoftext|>"
    assert 1000 < len(bpe(before)["input_ids"]) < 2000
    assert "Paris" in evaluate.greedy(model, bpe, before + "The capital of France is", 8)


def test_expected_parts_are_in_the_answers() -> None:
    entries = corpus.question_entries()
    assert not [entry for entry in entries for part in entry["expected"] if part not in entry["answer"]]
    by_category = {entry["category"] for entry in entries}
    assert by_category == {
        "knowledge",
        "reasoning",
        "code",
        "summarisation",
        "translation",
        "creative",
        "chinese",
    }
    for category in by_category:
        assert sum(entry["category"] == category for entry in entries) >= 8


def test_joining() -> None:
    assert corpus.joined("facts", "The capital of France is", "Paris.").text == "The capital of France is Paris."
    assert corpus.joined("facts", "中国的首都是", "北京。").text == "中国的首都是北京。"
    assert corpus.joined("questions", "Python:", "a\nb").text == "Python:\na\nb"


def test_held_out_texts_are_never_drawn() -> None:
    texts = corpus.Corpus()
    stream = texts.stream(random.Random(3))
    drawn = "\0".join(next(stream).text for _ in range(2000))
    for kind in ("english", "chinese", "code"):
        assert texts.held_out[kind]
        assert not [document for document in texts.held_out[kind] if document.text in drawn]


def test_generated_arithmetic_is_right() -> None:
    rng = random.Random(5)
    for _ in range(500):
        for line in generators.equations(rng, kept=False).split("\n"):
            left, right = line.split(" = ")
            assert eval(left.replace("×", "*")) == int(right)


def test_no_token_crosses_from_prompt_to_answer() -> None:
    bpe = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    document = corpus.joined("facts", "中国的首都是", "北京。")
    asked = bpe.encode(document.prompt).ids
    assert tokenizer.encode(bpe, document)[: len(asked)] == asked
    assert tokenizer.encode(bpe, document)[-1] == tokenizer.END_ID


def test_rows_begin_with_documents_and_are_full() -> None:
    bpe = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    batch = train.rows(corpus.Corpus().stream(random.Random(1)), bpe, length=64, count=5)
    assert batch.shape == (5, 65)
    first = bpe.decode(batch[0].tolist())
    assert first.startswith(next(corpus.Corpus().stream(random.Random(1))).text[:20])


def test_unusable_steps_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--steps", "0"])
    assert caught.value.code == 2
    assert "--steps: found 0" in capsys.readouterr().err


@pytest.mark.slow
def test_recipe_runs_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = corpus.question_entries()[::10]  # after 20 steps every answer is as long as it may be
    monkeypatch.setattr(evaluate, "question_entries", lambda: asked)
    assert main(["--out", str(tmp_path / "a"), "--smoke"]) == 0
    assert "step 20/20" in capsys.readouterr().out
    names = {path.name for path in FOLDER.iterdir()}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    recipe = _json("recipe.json", tmp_path / "a")
    assert recipe["final_loss"] < recipe["first_loss"] - 0.3
    assert _json("config.json", tmp_path / "a") == _json("config.json")
    assert sum(count["of"] for count in recipe["questions_answered"].values()) == len(asked)
    texts = corpus.Corpus()
    bpe = tokenizer.train(texts, SEED)
    export.write_model(tmp_path / "b", train.train(texts, bpe, SEED, SMOKE_STEPS, lambda _: None).model, bpe)
    for name, digest in recipe["sha256"].items():
        assert hashlib.sha256((tmp_path / "b" / name).read_bytes()).hexdigest() == digest, "same seed, other weights"


def test_the_set_says_how_many_quality_questions_the_model_has_read():
    read = {document.prompt for document in corpus.questions() + corpus.facts()}
    demo = params.load("demo")
    asked = [case.prompt for case in load_cases(demo.quality.cases)]
    known = sum(prompt in read for prompt in asked)
    assert f"Of the {len(asked)} quality questions it has read {known} in training" in demo.description
