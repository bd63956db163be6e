"""Architecture facts: where a model is, what it is, what follows from it. Independent of how it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import shown
from evalpress.core.plain import Fields
from evalpress.core.units import MIB
from evalpress.model import config, counting, layers, weights
from evalpress.model.adaptation import adaptation, plugins, remote_code
from evalpress.model.facts import BYTES, ArchitectureFacts, read
from evalpress.model.source import folder_digest, identity, is_from_modelscope, local, resolve
from evalpress.params.schema import Params

__all__ = [
    "BYTES",
    "ArchitectureFacts",
    "adaptation",
    "base_model",
    "chat_template",
    "describe",
    "folder_digest",
    "facts",
    "identity",
    "is_from_modelscope",
    "local",
    "plugins",
    "read",
    "remote_code",
    "resolve",
]

_ROWS = (
    *("architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps"),
    *("tie_word_embeddings", "hidden_act"),
)

_NAMED_TEMPLATES = "additional_chat_templates"
"""transformers' folder of chat templates beside the default one (CHAT_TEMPLATE_DIR in its utils/hub.py)."""


def facts(params: Params) -> ArchitectureFacts:
    """Parameters, bytes, KV bytes and FLOPs of the set's model in the dtypes that its engine uses.

    Raises:
        UserError: the model is nowhere, or its files are broken.
    """
    kv_dtype = params.engine.extra.get("kv_cache_dtype")
    trust = params.model.trust_remote_code
    return read(resolve(params), params.engine.dtype, trust, None if kv_dtype is None else str(kv_dtype))


def chat_template(folder: Path) -> str | None:
    """The model's chat template, None where it has none. Several named templates come as one JSON text.

    Raises:
        UserError: a file that may state one is not readable.
    """
    for name in ("chat_template.jinja", "chat_template.json", "tokenizer_config.json"):
        found = _stated_template(folder / name)
        if found:
            return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, sort_keys=True)
    named = {path.stem: _stated_template(path) for path in (folder / _NAMED_TEMPLATES).glob("*.jinja")}
    return json.dumps(named, ensure_ascii=False, sort_keys=True) if named else None


def _stated_template(path: Path) -> Any:
    """What a file states as chat template, None where there is no such file or it states none."""
    try:
        text = path.read_text(encoding="utf-8")
        stated = {"chat_template": text} if path.suffix == ".jinja" else json.loads(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)}: not readable: {error}") from None
    if not isinstance(stated, dict):
        raise UserError(f"{shown(path)}: found {type(stated).__name__}, allowed a JSON object")
    return stated.get("chat_template")


def base_model(params: Params) -> tuple[bool, str]:
    """Whether the set's model is a base (completion) model, and how that is known."""
    if params.model.base_model is not None:
        return params.model.base_model, "stated by the set (model.base_model)"
    if chat_template(resolve(params)) is None:
        return True, "the model has no chat template"
    return False, "the model has a chat template"


def describe(params: Params) -> Fields:
    """The model table: every value of the configuration that a card prints, and the figures that follow.

    Raises:
        UserError: the model is nowhere, or its files are broken.
    """
    folder, trust = resolve(params), params.model.trust_remote_code
    found, figures = config.read(folder, trust), facts(params)
    stored, (counted, not_counted) = weights.stored(folder, figures.tied), counting.architecture(folder, trust)
    base, base_why = base_model(params)
    rows: Fields = {
        "name": params.model.shown,
        "source": params.model.path,
        "revision": params.model.revision,
        **{key: found.get(key) for key in _ROWS},
        "architectures": found.stated.get("architectures"),
        "tie_word_embeddings": figures.tied,
        **_dimensions(found),
        "config_dtype": config.dtype(found),
        "engine_dtype": params.engine.dtype,
        "kv_cache_dtype": figures.kv_dtype,
        "experts": figures.experts,
        "parameters": figures.parameters,
        "parameters_from": figures.parameters_from,
        "inactive_parameters": figures.inactive_parameters,
        "parameters_by_weights": stored.numbers if stored else None,
        "parameters_by_architecture": counted.parameters if counted else None,
        "embedding_parameters": figures.embedding_parameters,
        "weight_bytes": figures.weight_bytes,
        "weight_mib": None if figures.weight_bytes is None else figures.weight_bytes / MIB,
        "stored_bytes": stored.bytes if stored else None,
        "stored_dtypes": stored.dtypes if stored else {},
        "kv_bytes_per_token": figures.kv_bytes_per_token,
        "flops_per_token": figures.decode_flops(1),
        "weights": params.model.weights,
        "base_model": base,
        "base_model_how": base_why,
        "instruct_model": params.model.instruct_model,
        "digest": folder_digest(folder),
    }
    return rows | _reasons(rows, figures, not_counted)


def _dimensions(found: config.Configuration) -> Fields:
    """Heads and rotary base, where the configuration states them."""
    try:
        size: int | None = layers.head_dim(found)
    except layers.UnknownLayersError:
        size = None
    heads = found.get("num_attention_heads")
    return {
        "num_key_value_heads": found.get("num_key_value_heads") or found.get("num_kv_heads") or heads,
        "head_dim": size,
        "rope_theta": config.rope_theta(found),
    }


def _reasons(rows: Fields, figures: ArchitectureFacts, not_counted: str | None) -> dict[str, str]:
    """A `_why` for every value that is null."""
    known = figures.reasons() | {
        "revision": "not pinned by the set",
        "instruct_model": "the set names none",
        "parameters_by_weights": "the folder holds no safetensors files",
        "stored_bytes": "the folder holds no safetensors files",
        "parameters_by_architecture": not_counted or "transformers does not support the architecture",
    }
    absent = "config.json does not state it"
    return {f"{key}_why": known.get(key, absent) for key, value in rows.items() if value is None}
