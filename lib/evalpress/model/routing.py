"""Mixtures of experts: the modules that choose experts, and how near to a tie each of their choices is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_ROUTER = re.compile(r"router|(moe|topk)\w*gate", re.IGNORECASE)
"""Classes of modules that choose experts."""


def routers(block: Any) -> list[Any]:
    """The modules below (or equal to) `block` that choose experts; none in a dense model."""
    return [module for module in block.modules() if _ROUTER.search(type(module).__name__)]


@contextmanager
def watched(model: Any) -> Iterator[list[NDArray[np.float32]]]:
    """What each router chose by, pass by pass: float32 [tokens, 2], in the order in which layers are computed.

    Column 0 is the margin: the smallest logit of a chosen expert less the largest of the others; negative where
    something else than the logits decides (groups of experts, a bias). Column 1 is the largest absolute logit.
    """
    kept: list[NDArray[np.float32]] = []

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        found = _margins(output if isinstance(output, tuple) else (output,))
        if found is not None:
            kept.append(found)

    hooks = [module.register_forward_hook(hook) for module in routers(model)]
    try:
        yield kept
    finally:
        for one in hooks:
            one.remove()


def _margins(parts: tuple[Any, ...]) -> NDArray[np.float32] | None:
    """Margin and size of a router's choice, from its outputs: logits of all experts, and the experts chosen."""
    tensors = [part for part in parts if isinstance(part, torch.Tensor) and part.dim() > 1]
    chosen = next((part for part in tensors if not part.is_floating_point()), None)
    floats = [part for part in tensors if part.is_floating_point()]
    if chosen is None or not floats:
        return None
    logits = max(floats, key=lambda part: part.shape[-1])
    if logits.shape[-1] <= chosen.shape[-1]:
        return None
    flat = logits.float().reshape(-1, logits.shape[-1])
    taken = torch.zeros_like(flat, dtype=torch.bool).scatter_(1, chosen.reshape(-1, chosen.shape[-1]), True)
    least = flat.masked_fill(~taken, torch.inf).amin(dim=1)
    most = flat.masked_fill(taken, -torch.inf).amax(dim=1)
    found: NDArray[np.float32] = torch.stack([least - most, flat.abs().amax(dim=1)], dim=1).cpu().numpy()
    return found
