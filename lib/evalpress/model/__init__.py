"""Architecture facts: where a model is, what it is, what follows from it. Knows nothing of how it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalpress.core.hashing import digest, file_digest
from evalpress.core.units import MIB
from evalpress.model import config, weights
from evalpress.model.adaptation import adaptation, plugins, remote_code
from evalpress.model.facts import BYTES, Facts, architecture_sizes, read
from evalpress.model.source import resolve, where
from evalpress.params.schema import Params

__all__ = [
    "BYTES",
    "Facts",
    "adaptation",
    "base_model",
    "chat_template",
    "describe",
    "folder_digest",
    "facts",
    "plugins",
    "remote_code",
    "resolve",
    "where",
]

_ROWS = (
    *("architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps"),
    *("tie_word_embeddings", "hidden_act"),
)
_DIGESTED = (".json", ".safetensors", ".txt", ".model", ".jinja", ".bin", ".py")


def facts(params: Params) -> Facts:
    """Parameters, bytes, KV bytes and FLOPs of the set's model in the engine's dtype."""
    return read(resolve(params), params.engine.dtype, params.model.trust_remote_code)


def chat_template(folder: Path) -> str | None:
    """The model's chat template, None where it has none."""
    for name in ("chat_template.jinja", "chat_template.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        found = text if path.suffix == ".jinja" else json.loads(text).get("chat_template")
        if found:
            return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, sort_keys=True)
    return None


def base_model(params: Params) -> tuple[bool, str]:
    """Whether the set's model is a base (completion) model, and how that is known."""
    if params.model.base_model is not None:
        return params.model.base_model, "stated by the set (model.base_model)"
    if chat_template(resolve(params)) is None:
        return True, "the model has no chat template"
    return False, "the model has a chat template"


def folder_digest(folder: Path) -> dict[str, Any]:
    """sha256 of each config, tokenizer, code and weight file (read as a stream), and one over them all."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in _DIGESTED and path.is_file())
    found = {path.name: {"bytes": path.stat().st_size, "sha256": file_digest(path)} for path in paths}
    return {
        "sha256": digest({name: row["sha256"] for name, row in found.items()}),
        "files": found,
    }


def describe(params: Params) -> dict[str, Any]:
    """The model table: every value of the configuration that a card prints, and the figures that follow."""
    folder, trust = resolve(params), params.model.trust_remote_code
    values, found = config.values(folder, trust), facts(params)
    tied = bool(values.get("tie_word_embeddings"))
    stored, by_architecture = weights.stored(folder, tied), architecture_sizes(folder, trust)
    base, base_why = base_model(params)
    rows: dict[str, Any] = {
        "name": params.model.shown,
        "source": params.model.path,
        "revision": params.model.revision,
        **{key: values.get(key) for key in _ROWS},
        "tie_word_embeddings": tied,
        "num_key_value_heads": values.get("num_key_value_heads") or values["num_attention_heads"],
        "head_dim": config.head_dim(values),
        "rope_theta": config.rope_theta(values),
        "config_dtype": values.get("dtype") or values.get("torch_dtype"),
        "engine_dtype": params.engine.dtype,
        "experts": config.experts(values),
        "parameters": found.parameters,
        "parameters_from": found.parameters_from,
        "parameters_by_weights": stored.parameters if stored else None,
        "parameters_by_architecture": sum(by_architecture.values()) if by_architecture else None,
        "embedding_parameters": found.embedding_parameters,
        "weight_bytes": found.weight_bytes,
        "weight_mib": found.weight_bytes / MIB,
        "stored_bytes": stored.bytes if stored else None,
        "stored_dtypes": stored.dtypes if stored else {},
        "kv_bytes_per_token": found.kv_bytes_per_token,
        "flops_per_token": found.decode_flops(1),
        "weights": params.model.weights,
        "base_model": base,
        "base_model_how": base_why,
        "instruct_model": params.model.instruct_model,
        "digest": folder_digest(folder),
    }
    return rows | _reasons(rows)


def _reasons(rows: dict[str, Any]) -> dict[str, str]:
    """A `_why` for every value that is null."""
    known = {
        "revision": "not pinned by the set",
        "instruct_model": "the set names none",
        "parameters_by_weights": "the folder holds no safetensors files",
        "stored_bytes": "the folder holds no safetensors files",
        "parameters_by_architecture": "transformers does not know the architecture",
    }
    absent = "config.json does not state it"
    return {f"{key}_why": known.get(key, absent) for key, value in rows.items() if value is None}
