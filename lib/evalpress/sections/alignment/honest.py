"""Implementations of one dtype that differ honestly: other attention kernels, other orders of sums, other threads.

Each does the arithmetic that the model defines and rounds at other places or adds in another order, as other devices
and engines do. What they make of a stage of this very model says how far a right implementation may be off there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_LEAST = 16
"""Sums of fewer terms are left as they are."""


class _OtherLinear(TorchFunctionMode):  # type: ignore[misc]
    """Inside, every matrix product with a weight is computed by `product`."""

    def __init__(self, product: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.product = product

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if func is torch.nn.functional.linear and args[0].shape[-1] >= _LEAST:
            inputs, weight = args[0], args[1] if len(args) > 1 else options["weight"]
            bias = args[2] if len(args) > 2 else options.get("bias")
            found = self.product(inputs, weight)
            return found if bias is None else found + bias
        if func is torch.addmm and args[1].shape[-1] >= _LEAST and not options:
            return args[0] + self.product(args[1], args[2].T)
        return func(*args, **options)


def _in_halves(inputs: Any, weight: Any) -> Any:
    half = inputs.shape[-1] // 2
    first = inputs[..., :half] @ weight[..., :half].mT
    return first + inputs[..., half:] @ weight[..., half:].mT


def _backwards(inputs: Any, weight: Any) -> Any:
    return inputs.flip(-1) @ weight.flip(-1).mT


def products(compute: Callable[[Any, Any], Any]) -> AbstractContextManager[Any]:
    """Inside, `compute(inputs, weight)` takes the place of every matrix product `inputs @ weight.T`."""
    return _OtherLinear(compute)


def halved_sums() -> AbstractContextManager[Any]:
    """Every sum in two halves, each rounded to the dtype: as two tensor-parallel ranks and split-K kernels add."""
    return products(_in_halves)


def backward_sums() -> AbstractContextManager[Any]:
    """Every sum from its other end."""
    return products(_backwards)


@contextmanager
def one_thread() -> Iterator[None]:
    """On one thread, where libraries choose other kernels and other blocks."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def attention(model: Any, name: str) -> Iterator[None]:
    """The loaded model with another attention implementation of transformers."""
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def implementations(model: Any, attentions: Sequence[str]) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """Name -> context in which the loaded model computes so; the first is the model as it is.

    Args:
        attentions: the attention implementations that are right for this model; the first is the loaded one.
    """
    first = attentions[0]
    found: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        first: nullcontext,
        f"{first}, sums in two halves": halved_sums,
        f"{first}, sums backwards": backward_sums,
        f"{first}, one thread": one_thread,
    }
    for other in attentions[1:]:
        found[other] = lambda other=other: attention(model, other)  # type: ignore[misc]
        found[f"{other}, sums in two halves"] = lambda other=other: _both(attention(model, other), halved_sums())  # type: ignore[misc]
    return found


@contextmanager
def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[Any]) -> Iterator[None]:
    with outer, inner:
        yield
