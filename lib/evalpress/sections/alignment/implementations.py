"""Correct implementations that round differently: other attention kernels, orders of sums and experts, threads.

Each does the arithmetic that the model defines and rounds at other places or adds in another order, as other devices
and engines do. Their differences at a stage of this model show how large the error of a correct implementation may
be there.
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
    """Every sum in reverse order."""
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


@contextmanager
def experts_in_a_loop(model: Any, *, backwards: bool = False) -> Iterator[None]:
    """A mixture of experts whose experts are computed one after the other and added up in the dtype.

    transformers' usual way multiplies groups of tokens and adds up each token's experts in float32.

    Args:
        backwards: the last expert first.
    """
    before = model.config._experts_implementation
    model.set_experts_implementation("eager")
    hooks = [hook for part in _experts(model) if backwards for hook in _turned_round(part)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        model.set_experts_implementation(before)


def _experts(model: Any) -> list[Any]:
    """Modules that hold all experts of a layer, stacked, and for which transformers has several implementations."""
    found = (module for module in model.modules() if hasattr(type(module), "_apply_gate"))
    return [module for module in found if all(p.ndim >= 2 for p in module.parameters(recurse=False))]


def _turned_round(experts: Any) -> list[Any]:
    """Hooks that give an experts module its experts in reverse order, and the indices to match, for each pass."""

    def flip() -> int:
        for weight in experts.parameters(recurse=False):
            weight.data = weight.data.flip(0)
        return int(next(iter(experts.parameters(recurse=False))).shape[0])

    def before(_module: Any, inputs: Any) -> Any:
        hidden, index, *rest = inputs
        return (hidden, flip() - 1 - index, *rest)

    def after(_module: Any, _inputs: Any, _output: Any) -> None:
        flip()

    return [experts.register_forward_pre_hook(before), experts.register_forward_hook(after)]


def named(model: Any, attentions: Sequence[str]) -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """Name -> context in which the loaded model computes in that way; the first is the unchanged model.

    Args:
        attentions: the attention implementations that are correct for this model; the first is the loaded one.
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
    if _experts(model):
        found[f"{first}, experts in a loop"] = lambda: experts_in_a_loop(model)
        found[f"{first}, experts in a loop, backwards"] = lambda: experts_in_a_loop(model, backwards=True)
    return found


@contextmanager
def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[Any]) -> Iterator[None]:
    with outer, inner:
        yield
