"""Figures that follow from a model's architecture and weights: parameters, bytes, KV bytes, FLOPs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from evalpress.core.errors import UserError
from evalpress.core.paths import shown
from evalpress.model import config, weights

BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True)
class Facts:
    """A causal language model's arithmetic, in the dtype that the engine runs it in.

    `parameters` counts a tied embedding once; `embedding_parameters` is one vocabulary × hidden matrix.
    """

    parameters: int
    parameters_from: Literal["weights", "architecture"]
    embedding_parameters: int
    tied: bool
    dtype: str
    kv_values_per_token: int
    attention_width: int
    """Σ over attention layers of heads × head dimension: what one token's query touches per cached token."""
    inactive_parameters: int = 0
    """Mixture of experts: parameters of the experts that a token is not routed to."""

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights in the engine's dtype, tied embedding once."""
        return self.parameters * BYTES[self.dtype]

    @property
    def kv_bytes_per_token(self) -> int:
        """2 × layers × KV heads × head dimension × bytes (KV cache in the engine's dtype)."""
        return self.kv_values_per_token * BYTES[self.dtype]

    @property
    def body_parameters(self) -> int:
        """Parameters of the layers that a token passes: without embedding, output matrix and idle experts."""
        outside = self.embedding_parameters * (1 if self.tied else 2)
        return self.parameters - outside - self.inactive_parameters

    def prefill_flops(self, tokens: int) -> int:
        """Floating-point operations of a prompt of `tokens`.

        A multiply-add is two. 2 per body parameter and token; 4 × attention width per pair of query and
        cached token (scores and weighted sum), causal; the output matrix for the one position sampled.
        """
        pairs = tokens * (tokens + 1) // 2
        body = 2 * self.body_parameters * tokens
        return body + 4 * self.attention_width * pairs + 2 * self.embedding_parameters

    def decode_flops(self, context: int) -> int:
        """Floating-point operations of one generated token that attends to `context` tokens."""
        return 2 * (self.body_parameters + self.embedding_parameters) + 4 * self.attention_width * context

    def flops_per_token(self, tokens: int) -> float:
        """The prefill's floating-point operations per prompt token, for prompts of `tokens`."""
        return self.prefill_flops(tokens) / tokens


def architecture_sizes(folder: Path, trust_remote_code: bool = False) -> dict[str, int] | None:
    """Numbers per parameter that the architecture has, from a model built without memory (torch's meta device).

    A tied tensor stands once. None for an architecture that transformers does not know.
    """
    import torch
    from transformers import AutoModelForCausalLM

    known = config.load(folder, trust_remote_code)
    if known is None:
        return None
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(known, trust_remote_code=trust_remote_code)
    except (ValueError, ImportError):
        return None
    return {name: parameter.numel() for name, parameter in model.named_parameters()}


def _inactive(sizes: dict[str, int], values: dict[str, Any]) -> int:
    """Parameters of the routed experts that one token leaves out."""
    experts, used = config.experts(values), int(values.get("num_experts_per_tok") or 0)
    routed = sum(size for name, size in sizes.items() if ".experts." in name)
    return routed * (experts - used) // experts if experts and used else 0


@lru_cache(maxsize=8)
def read(folder: Path, dtype: str, trust_remote_code: bool = False) -> Facts:
    """The facts of the model in `folder` as the engine runs it in `dtype`.

    Raises:
        UserError: the folder holds neither weights nor an architecture that transformers knows.
    """
    values: dict[str, Any] = config.values(folder, trust_remote_code)
    tied = bool(values.get("tie_word_embeddings", False))
    found = weights.stored(folder, tied)
    sizes = found.sizes if found else architecture_sizes(folder, trust_remote_code)
    if sizes is None:
        raise UserError(f"{shown(folder)}: no safetensors files, and transformers does not know the architecture")
    heads = int(values["num_attention_heads"])
    return Facts(
        parameters=sum(sizes.values()),
        parameters_from="weights" if found else "architecture",
        embedding_parameters=int(values["vocab_size"]) * int(values["hidden_size"]),
        tied=tied,
        dtype=dtype,
        kv_values_per_token=config.kv_values_per_token(values),
        attention_width=config.attention_layers(values) * heads * config.head_dim(values),
        inactive_parameters=_inactive(sizes, values),
    )
