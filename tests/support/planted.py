"""Faults planted on a model, each as a change of the loaded module or of what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

Change = Callable[[Any], None]


def _blocks(model: Any) -> Any:
    return model.model.layers


def swap_layers(model: Any) -> None:
    """Blocks 1 and 2 in each other's place."""
    blocks = _blocks(model)
    blocks[1], blocks[2] = blocks[2], blocks[1]


def zero_head(model: Any) -> None:
    """The last attention head of block 2 contributes nothing."""
    attention = _blocks(model)[2].self_attn
    attention.o_proj.weight.data[:, -attention.head_dim :] = 0


def rope_base(model: Any) -> None:
    """Rotary base 1e4 where the model was made with another one."""
    rotary = model.model.rotary_emb
    width = 2 * len(rotary.inv_freq)
    rotary.inv_freq.copy_(1 / 1e4 ** (torch.arange(0, width, 2, dtype=torch.float32) / width))


def norm_epsilon(model: Any) -> None:
    """RMS epsilon 0.1 for 1e-6 in the first norm of block 1."""
    norm = _blocks(model)[1].input_layernorm
    setattr(norm, "variance_epsilon" if hasattr(norm, "variance_epsilon") else "eps", 0.1)


def fp8_matrix(model: Any) -> None:
    """The down projection of block 1 rounded to 8-bit floats (e4m3, one scale)."""
    weight = _blocks(model)[1].mlp.down_proj.weight.data
    scale = weight.abs().max().float() / 448
    weight.copy_((weight.float() / scale).to(torch.float8_e4m3fn).float() * scale)


def kv_order(model: Any) -> None:
    """The key and value heads of block 1 in reverse order."""
    attention = _blocks(model)[1].self_attn
    for projection in (attention.k_proj, attention.v_proj):
        for tensor in filter(lambda t: t is not None, (projection.weight, projection.bias)):
            heads = tensor.data.unflatten(0, (-1, attention.head_dim))
            tensor.data.copy_(heads.flip(0).flatten(0, 1))


def position_ids(model: Any) -> None:
    """The second token gets the first one's position, and so on: off by one after the start."""
    rotary = model.model.rotary_emb
    forward = rotary.forward
    rotary.forward = lambda x, position_ids, *a, **k: forward(x, (position_ids - 1).clamp(min=0), *a, **k)


def untied_output(model: Any) -> None:
    """The output matrix is no longer the embedding: one training step away from it."""
    weight = model.lm_head.weight.detach().clone()
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(weight.shape, generator=generator).to(weight) * weight.std() * 0.1
    model.lm_head.weight = torch.nn.Parameter(weight + noise)


@dataclass(frozen=True)
class Fault:
    """A fault, and the stage where it must be seen first (None: it shows in the logits only)."""

    name: str
    change: Change
    stage: str | None


LAYER_FAULTS: Sequence[Fault] = (
    Fault("two layers swapped", swap_layers, "layer 1 attention"),
    Fault("one attention head zeroed", zero_head, "layer 2 attention"),
    Fault("RoPE base 1e4", rope_base, "layer 0 attention"),
    Fault("wrong RMS epsilon", norm_epsilon, "layer 1 attention"),
    Fault("one matrix in 8-bit floats", fp8_matrix, "layer 1 mlp"),
    Fault("KV heads in the wrong order", kv_order, "layer 1 attention"),
    Fault("position ids off by one", position_ids, "layer 0 attention"),
    Fault("tied embedding untied", untied_output, "logits"),
)
