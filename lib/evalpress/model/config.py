"""A model's configuration: what config.json states, under one name per quantity, with transformers' defaults.

Model families name the same quantity differently (`n_embd`, `d_model`, `hidden_size`). transformers translates
the names of the architectures that it supports (`attribute_map`) and nests the text part of multimodal models
(`get_text_config()`); for an architecture that it does not know, `_ALIASES` translates. Experts have several
names in either case (`_EXPERTS`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import shown
from evalpress.core.plain import Json

_TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
_ALIASES = {
    "hidden_size": ("n_embd", "d_model", "dim", "model_dim"),
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers", "num_transformer_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads", "num_query_heads"),
    "intermediate_size": ("n_inner", "ffn_hidden_size", "ffn_dim", "d_ff"),
    "max_position_embeddings": ("n_positions", "max_seq_len", "seq_length", "max_sequence_length", "n_ctx", "seq_len"),
    "vocab_size": ("padded_vocab_size", "n_vocab"),
}
_EXPERTS = {
    "num_experts": ("moe_num_experts", "n_routed_experts", "num_local_experts", "num_moe_experts"),
    "num_experts_per_tok": (
        *("num_experts_per_token", "moe_k", "top_k_experts", "moe_topk", "moe_top_k", "num_selected_experts"),
        *("experts_per_token", "router_top_k"),
    ),
}
_NESTED_PARTS = ("attn_config", "ffn_config")
"""DBRX and MPT state their attention and their feed-forward part in mappings of their own."""


@dataclass(frozen=True)
class Configuration:
    """config.json beside transformers' reading of it (`known`; None for an architecture it does not know)."""

    stated: Json = field(repr=False)
    known: Any = field(default=None, repr=False)
    unknown_why: str | None = None
    """Why `known` is None, in a few words."""

    @property
    def architecture(self) -> str | None:
        """The class that config.json names first."""
        named = self.stated.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else None

    @property
    def model_type(self) -> str:
        """`model_type` of the text part."""
        return str(self.get("model_type") or self.stated.get("model_type") or "")

    @property
    def text(self) -> Any:
        """transformers' configuration of the text part, None where transformers does not support it."""
        return None if self.known is None else self.known.get_text_config()

    @property
    def stated_text(self) -> Json:
        """The text part of config.json unchanged: config.json itself where nothing is nested."""
        found = self.stated
        for part in (*_TEXT_PARTS, "text_config"):
            found = found[part] if isinstance(found.get(part), dict) else found
        return found

    def get(self, key: str, *, layer: int | None = None) -> Any:
        """The value of `key` under whatever name the model gives it; None where nothing states it.

        Args:
            key: transformers' usual name.
            layer: for configurations that differ by layer (transformers' `per_layer_config`): the layer.
        """
        others = _EXPERTS.get(key, ()) if self.known is not None else _EXPERTS.get(key, ()) + _ALIASES.get(key, ())
        for name in (key, *others):
            found = self._of_transformers(name, layer)
            if found is None:
                found = next((part[name] for part in self._mappings() if part.get(name) is not None), None)
            if found is not None:
                return found
        return None

    def whole(self, key: str, *, layer: int | None = None) -> int | None:
        """`get`, where the value is a whole number (of a list: its entry for `layer`); else None."""
        found = self.get(key, layer=layer)
        if isinstance(found, list | tuple) and layer is not None and layer < len(found):
            found = found[layer]
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def _of_transformers(self, name: str, layer: int | None) -> Any:
        config = self.text
        if config is None:
            return None
        per_layer = getattr(config, "per_layer_config", None) if getattr(config, "is_heterogeneous", False) else None
        if per_layer is not None:
            config = per_layer[layer or 0]
        try:
            return getattr(config, name, None)
        except Exception:  # a property of the configuration may raise any exception
            return None

    def _mappings(self) -> list[Json]:
        parts = [self.stated_text, self.stated]
        nested = [part[name] for part in parts for name in _NESTED_PARTS if isinstance(part.get(name), dict)]
        return parts + nested


def raw(folder: Path) -> Json:
    """config.json unchanged.

    Raises:
        UserError: it is missing or no JSON object.
    """
    path = folder / "config.json"
    if not path.exists():
        raise UserError(f"{shown(path)}: not found: this is no model folder")
    return in_file(path, shown(path))


def in_file(path: Path, name: str) -> Json:
    """A configuration file unchanged; `name` is what messages call it.

    Raises:
        UserError: it is not readable or no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{name}: not readable: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{name}: found {type(found).__name__}, allowed a JSON object")
    return found


def read(folder: Path, trust_remote_code: bool = False) -> Configuration:
    """The configuration in `folder`. The model's own code is run only where `trust_remote_code` is set.

    Raises:
        UserError: as `raw`.
    """
    stated = raw(folder)
    known, why = _by_transformers(folder, trust_remote_code, (folder / "config.json").stat().st_mtime_ns)
    return Configuration(stated, known, why)


def load(folder: Path, trust_remote_code: bool = False) -> Any:
    """transformers' configuration object, or None for an architecture that transformers does not know."""
    return read(folder, trust_remote_code).known


@lru_cache(maxsize=16)
def _by_transformers(folder: Path, trust_remote_code: bool, changed: int) -> tuple[Any, str | None]:
    """transformers' configuration, or None and why; `changed` renews the cache after an edit."""
    from transformers import AutoConfig

    try:
        found = AutoConfig.from_pretrained(str(folder), trust_remote_code=trust_remote_code, local_files_only=True)
    except Exception as error:  # an odd configuration raises any exception of the class's own checks
        text = " ".join(str(error).split())
        if "does not recognize this architecture" in text or "Unrecognized model" in text:
            return None, "transformers does not support the architecture"
        return None, f"transformers refuses config.json: {text[:200]}"
    return found, None


def rope_theta(config: Configuration) -> float | None:
    """The base of the rotary embedding: its own key, or inside rope_parameters (transformers 5)."""
    parameters = config.get("rope_parameters")
    nested = parameters if isinstance(parameters, dict) else {}
    if nested and "rope_theta" not in nested:
        nested = next((part for part in nested.values() if isinstance(part, dict)), {})
    theta = config.stated_text.get("rope_theta") or nested.get("rope_theta") or config.get("rope_theta")
    return float(theta) if isinstance(theta, int | float) else None


def dtype(config: Configuration) -> str | None:
    """The dtype that config.json states, under its name in torch."""
    stated = (config.stated_text.get(key) or config.stated.get(key) for key in ("dtype", "torch_dtype"))
    found = next((value for value in stated if value), None) or config.get("dtype")
    return None if found is None else str(found).removeprefix("torch.")


def positions(config: Configuration) -> int | None:
    """Tokens that a sequence may hold: vLLM's derivation (`_get_and_verify_max_len`, 0.32), without its overrides.

    The smallest of the keys that state a maximum, times the factor of a rotary scaling whose configuration
    does not include it already (linear, dynamic). None where the model states no maximum.
    """
    keys = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_target_positions")
    stated = [value for key in keys if (value := config.whole(key)) is not None]
    longest = config.whole("model_max_length") or (min(stated) if stated else None)
    if longest is None:
        return None
    rope = config.get("rope_parameters") or config.stated_text.get("rope_scaling")
    parts = [rope] if isinstance(rope, dict) and not any(isinstance(p, dict) for p in rope.values()) else []
    parts += [p for p in rope.values() if isinstance(p, dict)] if isinstance(rope, dict) else []
    factor = 1.0
    for part in parts:
        kind = part.get("rope_type") or part.get("type")
        if kind in ("linear", "dynamic") and isinstance(part.get("factor"), int | float):
            factor = float(part["factor"])
    return round(longest * (1.0 if "gemma3" in config.model_type else factor))
