"""The parameters of an architecture, counted on a model that is built without memory (torch's meta device)."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalpress.model import config

_NUMBERED = re.compile(r"(.*\.experts)\.(\d+)\.")


@dataclass(frozen=True)
class Counted:
    """Numbers of parameters. A tied tensor counts once; buffers are no parameters.

    `embedding`: the vocabulary's input table. `head`: the output matrix where it is a separate tensor, else 0.
    `tables`: further tables of which a token reads one row (positions, per-layer inputs).
    `experts`: routed experts' parameters, summed by the number of experts that hold them.
    `reused`: modules run more than once per token (shared blocks), so FLOPs do not follow from the count.
    """

    parameters: int
    embedding: int
    head: int
    tied: bool
    tables: int
    experts: dict[int, int]
    reused: bool


def architecture(folder: Path, trust_remote_code: bool = False) -> tuple[Counted | None, str | None]:
    """The count of the model in `folder`, or None and why the architecture cannot be built.

    Raises:
        UserError: config.json is missing or unreadable.
    """
    found = config.read(folder, trust_remote_code)
    if found.known is None:
        return None, found.unknown_why
    return _counted(folder, trust_remote_code, (folder / "config.json").stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _counted(folder: Path, trust_remote_code: bool, changed: int) -> tuple[Counted | None, str | None]:
    found = config.read(folder, trust_remote_code)
    try:
        return of(built(found, trust_remote_code)), None
    except Exception as error:  # building runs the architecture's own code, which may raise any exception
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return None, f"transformers cannot build the architecture: {text[:200]}"


def built(found: config.Configuration, trust_remote_code: bool = False) -> Any:
    """The transformers model of a configuration on the meta device: shapes only, no weights.

    Args:
        found: a configuration that transformers knows.

    Raises:
        Exception: whatever transformers' classes raise for a configuration that they cannot build.
    """
    import torch
    import transformers

    known = copy.deepcopy(found.known)
    if hasattr(known, "quantization_config"):
        del known.quantization_config
    named: Any = getattr(transformers, found.architecture or "", None)
    wanted = getattr(named, "config_class", None)
    text = known.get_text_config()
    if wanted is not None and not isinstance(known, wanted) and isinstance(text, wanted):
        known = text  # a composite configuration that names the class of its text part
    with torch.device("meta"):
        if isinstance(named, type) and issubclass(named, transformers.PreTrainedModel):
            return getattr(named, "_from_config")(known, dtype=torch.bfloat16)  # noqa: B009 - there is no public equivalent
        return transformers.AutoModelForCausalLM.from_config(
            known, dtype=torch.bfloat16, trust_remote_code=trust_remote_code
        )


def of(model: Any) -> Counted:
    """The count of a transformers model, on any device."""
    import torch

    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    table, head = _weight(model, "get_input_embeddings"), _weight(model, "get_output_embeddings")
    tables = {
        id(module.weight): module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Embedding)
    }
    if table is not None:
        tables.pop(id(table), None)
    tied = head is not None and head is table
    every = sum(p.numel() for p in model.parameters())
    names = sum(1 for _ in model.named_parameters(remove_duplicate=False))
    return Counted(
        parameters=every,
        embedding=0 if table is None else table.numel(),
        head=0 if head is None or tied else head.numel(),
        tied=tied,
        tables=sum(tables.values()),
        experts=routed(shapes, sizes),
        reused=names > len(shapes) + (1 if tied else 0) or model.config.model_type == "hrm_text",
    )


def routed(shapes: dict[str, tuple[int, ...]], sizes: dict[str, int]) -> dict[int, int]:
    """Number of experts -> parameters of all modules with that many routed experts.

    Experts are tensors of one expert each (`…experts.7.…`) or one tensor of all, whose first dimension counts them.
    """
    numbers: dict[str, set[str]] = {}
    for name in shapes:
        if found := _NUMBERED.match(name):
            numbers.setdefault(found[1], set()).add(found[2])
    total: dict[int, int] = {}
    for name, shape in shapes.items():
        if found := _NUMBERED.match(name):
            count = len(numbers[found[1]])
        elif (".experts." in name and len(shape) >= 2) or _is_granite(name, shape):
            count = shape[0]
        else:
            continue
        total[count] = total.get(count, 0) + sizes[name]
    return total


def _is_granite(name: str, shape: tuple[int, ...]) -> bool:
    """Granite's experts are in `block_sparse_moe.{input,output}_linear.weight`, three-dimensional."""
    return ".block_sparse_moe." in name and len(shape) == 3


def _weight(model: Any, getter: str) -> Any:
    try:
        return getattr(getattr(model, getter)(), "weight", None)
    except (NotImplementedError, AttributeError):  # what transformers raises for a model without such a layer
        return None
