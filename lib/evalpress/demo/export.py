"""The files of the demo model: weights, configurations for old and new loaders, tokenizer, card, recipe."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from evalpress.core.plain import Json
from evalpress.demo import train
from evalpress.demo.tokenizer import END, END_ID

CARD = Path(__file__).with_name("card.txt")
CONFIG_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "hidden_act",
    "max_position_embeddings",
    "rms_norm_eps",
    "initializer_range",
    "tie_word_embeddings",
    "attention_dropout",
    "eos_token_id",
)


def _write_json(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def model_config(config: Qwen2Config) -> Json:
    """config.json with the keys of transformers 4 (`torch_dtype`, `rope_theta`) beside those of 5."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        **{key: getattr(config, key) for key in CONFIG_KEYS},
        "bos_token_id": None,
        "rope_theta": train.ROPE_THETA,
        "rope_parameters": {"rope_type": "default", "rope_theta": train.ROPE_THETA},
        "use_sliding_window": False,
        "sliding_window": None,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        "dtype": "bfloat16",
    }


def tokenizer_config() -> Json:
    """tokenizer_config.json; the class is one that transformers 4.57 has, unlike the one that 5 writes."""
    plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": train.CONTEXT,
        "bos_token": None,
        "eos_token": END,
        "pad_token": END,
        "unk_token": None,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {str(END_ID): {"content": END, "special": True, **plain}},
    }


def write_model(folder: Path, model: Qwen2ForCausalLM, tokenizer: Tokenizer) -> None:
    """Weights in bf16 (the tied output matrix is not stored twice), configurations and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if name != "lm_head.weight"
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes files that only their owner can read
    _write_json(folder / "config.json", model_config(model.config))
    ends = {"eos_token_id": END_ID, "pad_token_id": END_ID}
    _write_json(folder / "generation_config.json", {"do_sample": False, **ends})
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", tokenizer_config())


def recipe(folder: Path, trained: train.Trained, **found: Any) -> Json:
    """What was done and its result; `found` is added unchanged. Losses in nats per token."""
    return {
        "name": "the demo model",
        **found,
        "parameters": sum(weight.numel() for weight in trained.model.parameters()),
        "tokens_per_step": train.TOKENS_PER_STEP,
        "row_lengths": list(train.ROW_LENGTHS),
        "tokens": trained.tokens,
        "first_loss": round(trained.first_loss, 4),
        "final_loss": round(trained.final_loss, 4),
        "training_seconds": round(trained.seconds),
        "training_cpu_seconds": round(trained.cpu_seconds),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "tokenizers", "safetensors")},
        },
        "sha256": {name: sha256(folder / name) for name in ("model.safetensors", "tokenizer.json")},
    }


def write_card(folder: Path, facts: Json) -> None:
    """README.md and recipe.json, both from the recipe's own record."""
    _write_json(folder / "recipe.json", facts)
    answered = facts["questions_answered"]
    rows = "\n".join(f"| {kind} | {count['right']} of {count['of']} |" for kind, count in answered.items())
    kinds = "\n".join(f"| {kind} | {value:.1f} |" for kind, value in facts["held_out_perplexity"].items())
    minutes, cpu_minutes = facts["training_seconds"] / 60, facts["training_cpu_seconds"] / 60
    card = CARD.read_text(encoding="utf-8")
    card = card.format(**facts, minutes=minutes, cpu_minutes=cpu_minutes, rows=rows, kinds=kinds, context=train.CONTEXT)
    (folder / "README.md").write_text(card, encoding="utf-8")
