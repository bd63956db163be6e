"""A model's architecture as its config.json states it, with the defaults that transformers gives the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import shown

REQUIRED = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")


def raw(folder: Path) -> dict[str, Any]:
    """config.json as it stands. Raises UserError where it is missing or no JSON object."""
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{shown(path)}: not found: this is no model folder") from None
    except (ValueError, OSError) as error:
        raise UserError(f"{shown(path)}: not readable: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{shown(path)}: found {type(found).__name__}, allowed a JSON object")
    return found


def load(folder: Path, trust_remote_code: bool = False) -> Any:
    """transformers' configuration object, or None for an architecture that transformers does not know.

    Unknown are model types that only the model's own code defines; it is run only where the set trusts it.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(str(folder), trust_remote_code=trust_remote_code, local_files_only=True)
    except (ValueError, KeyError, OSError, ImportError):
        return None


def values(folder: Path, trust_remote_code: bool = False) -> dict[str, Any]:
    """Every value of the configuration: transformers' defaults under what config.json says.

    Raises:
        UserError: config.json is missing or unreadable, or lacks one of REQUIRED.
    """
    stated = raw(folder)
    known = load(folder, trust_remote_code)
    merged = {**(known.to_dict() if known is not None else {}), **stated}
    missing = [key for key in REQUIRED if not isinstance(merged.get(key), int)]
    if missing:
        raise UserError(f"{shown(folder / 'config.json')}: {missing[0]}: a whole number is expected, found none")
    return merged


def rope_theta(config: dict[str, Any]) -> float | None:
    """The base of the rotary embedding: a key of its own, or inside rope_parameters (transformers 5)."""
    parameters = config.get("rope_parameters")
    nested = parameters.get("rope_theta") if isinstance(parameters, dict) else None
    theta = config.get("rope_theta", nested)
    return None if theta is None else float(theta)


def head_dim(config: dict[str, Any]) -> int:
    """Size of one attention head; hidden_size / heads where the config does not set it apart."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def attention_layers(config: dict[str, Any]) -> int:
    """Layers that keep a KV cache growing with the context: all but linear-attention and state-space ones."""
    kinds = config.get("layer_types") or []
    if len(kinds) != config["num_hidden_layers"]:
        return int(config["num_hidden_layers"])
    return sum("attention" in kind and "linear" not in kind for kind in kinds)


def kv_values_per_token(config: dict[str, Any]) -> int:
    """Numbers that the KV cache holds per token: keys and values of every KV head in every attention layer.

    Multi-head latent attention (DeepSeek) caches the compressed latent and the rotary part instead.
    """
    if config.get("kv_lora_rank"):
        return attention_layers(config) * (int(config["kv_lora_rank"]) + int(config["qk_rope_head_dim"]))
    heads = int(config.get("num_key_value_heads") or config["num_attention_heads"])
    return 2 * attention_layers(config) * heads * head_dim(config)


def experts(config: dict[str, Any]) -> int:
    """Number of routed experts; 0 for a dense model."""
    keys = ("num_experts", "num_local_experts", "n_routed_experts")
    return next((int(config[key]) for key in keys if config.get(key)), 0)
