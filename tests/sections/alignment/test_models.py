"""A Qwen3, tiny and random: the alignment section from a params file alone, vLLM included.

The demo model and `test_tiny_reports.py` are the Llamas; `benchmarks/tiny_models.py` has more families.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from commands import evalpress
from evalpress.core.paths import PARAMS, ROOT
from evalpress.sections.job import read_results
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config

pytestmark = [pytest.mark.slow, pytest.mark.engine]

DEMO = ROOT / "models" / "demo"
SHAPE: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 512,
}
CONFIGS: dict[str, Any] = {"qwen3": Qwen3Config}


def random_model(folder: Path, name: str) -> Path:
    """Random weights, large enough for the logits to differ, with the demo model's tokenizer."""
    vocabulary = len(AutoTokenizer.from_pretrained(DEMO))
    torch.manual_seed(7)
    auto: Any = AutoModelForCausalLM
    model = auto.from_config(CONFIGS[name](**SHAPE, vocab_size=vocabulary, tie_word_embeddings=name == "qwen3"))
    for module in model.modules():
        if isinstance(module, torch.nn.Linear | torch.nn.Embedding):
            module.weight.data.normal_(0, 0.1)
    model.to(torch.bfloat16).save_pretrained(folder)
    for file in DEMO.glob("*token*"):
        shutil.copy(file, folder)
    return folder


def params_file(folder: Path, name: str, model: Path) -> Path:
    """A set of its own beside a copy of those it extends, which names the model and skips the other sections."""
    for shared in ("base.yaml", "demo.yaml"):
        shutil.copy(PARAMS / shared, folder)
    other = ("benchmark", "serving", "evidence", "quality")
    own = {
        "extends": "demo",
        "title": f"A tiny random {name}",
        "model": {"path": str(model), "name": f"tiny {name}"},
        "engine": {"modes": ["eager"], "max_model_len": 512},
        "alignment": {"max_position": 100, "vllm_positions": 4},
        "benchmark": {"workloads": {"prefill": {"input_len": 128}}},
        "report": {"languages": ["en"]},
        "skip": dict.fromkeys(other, "only the arithmetic is of interest"),
    }
    path = folder / f"tiny-{name}.yaml"
    path.write_text(yaml.safe_dump(own))
    return path


@pytest.mark.parametrize("name", CONFIGS)
def test_a_decoder_of_another_family_needs_a_params_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = params_file(tmp_path, name, random_model(tmp_path / "model", name))
    done = evalpress("report", "--set", str(path), "--reports-dir", str(tmp_path / "reports"))
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "reports" / f"tiny-{name}"
    found = read_results(folder / "results" / "alignment.json", "alignment").model_dump(mode="json")["data"]
    assert set(found["candidates"]) == {"transformers_cpu", "vllm_eager"}
    for run in found["candidates"].values():
        assert run["cosine_similarity"] > 0.999
        assert 0.3 < run["noise_ratio"] < 2
        assert run["flips"]["unexplained"] == 0
    blocks = [f"layer {i}{part}" for i in range(3) for part in (" attention", " mlp", " mlp alone", "")]
    assert found["layers"]["stages"] == ["embedding", *blocks, "final norm", "logits"]
    assert found["layers"]["candidates"]["transformers_cpu"]["first_beyond_noise"] is None
    assert 0 < found["reference"]["share_of_matrix_rate"] < 1
    gates = {g["id"]: g["status"] for g in json.loads((folder / "summary.json").read_text())["gates"]}
    for gate in ("cosine_similarity", "kl_divergence", "unexplained_flips", "noise_ratio"):
        assert gates[f"vllm_eager.{gate}"] == gates[f"transformers_cpu.{gate}"] == "pass"
    assert gates["transformers_cpu.layers"] == "pass"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "No stage leaves the noise" in page
