"""Where an error starts: hidden states after every stage of a decoder, and the first stage beyond the noise.

Two errors of each stage are told apart. The one that *arrives* there is that of an ordinary pass and grows from
layer to layer. The one that is *made* there is seen when every block, the final norm and the output matrix are fed
the reference's hidden states: then a sound stage shows what its dtype costs and nothing else, and a faulty one
stands out alone, however small its fault is beside the noise of all others together.

Stages are found in the module tree, not by a model's name: the embedding, in each block the attention, the MLP and
the block itself, the final norm, the output matrix. So every transformers decoder whose blocks stand in one list
works. Hidden states are kept for short texts only, as float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.model.forward import Pass

Array = NDArray[np.float32]

_ATTENTION = ("attn", "attention")
_MLP = ("mlp", "feed_forward", "ffn", "moe")
_NORM = ("norm", "ln_f")
LIMIT = 3.0
"""How many times the noise floor's error a stage may make. Honest kernels of one dtype differ by up to 2."""


@dataclass(frozen=True)
class States:
    """Hidden states by stage, stages in the order of computation, one array [positions, width] per text.

    `inputs` holds what went into each stage that can be fed: blocks, final norm, output matrix.
    """

    outputs: dict[str, list[Array]] = field(default_factory=dict)
    inputs: dict[str, list[Array]] = field(default_factory=dict)


def stages(model: Any) -> dict[str, Any]:
    """Stage name -> module, in the order of computation.

    Raises:
        MeasurementError: the model has no list of blocks as long as its configuration says.
    """
    count = model.config.get_text_config().num_hidden_layers
    lists = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == count
    ]
    if not lists:
        raise MeasurementError(f"{type(model).__name__}: found no list of {count} blocks, so no layers to look into")
    where, blocks = lists[0]
    found: dict[str, Any] = {"embedding": model.get_input_embeddings()}
    for index, block in enumerate(blocks):
        for word, names in (("attention", _ATTENTION), ("mlp", _MLP)):
            part = _child(block, names)
            if part is not None:
                found[f"layer {index} {word}"] = part
        found[f"layer {index}"] = block
    norm = _child(model.get_submodule(where.rpartition(".")[0]), _NORM, last=True)
    if norm is not None:
        found["final norm"] = norm
    return found | {"logits": model.get_output_embeddings()}


def _child(parent: Any, names: Sequence[str], last: bool = False) -> Any:
    """The first (or last) direct child whose name contains one of `names` and that is no norm of something else."""
    wants_norm = names == _NORM
    children = [
        child
        for name, child in parent.named_children()
        if any(word in name.lower() for word in names) and (wants_norm or "norm" not in name.lower())
    ]
    return (children[-1] if last else children[0]) if children else None


@torch.inference_mode()
def capture(run: Pass, texts: Mapping[str, Sequence[int]], fed: States | None = None) -> States:
    """Hidden states of each text, passed alone; with `fed`, every stage that can be is fed that model's inputs."""
    found, kept = stages(run.model), States()
    hooks = []
    for name, module in found.items():
        hooks.append(module.register_forward_hook(_keeper(kept.outputs.setdefault(name, []))))
        if name == "embedding" or name.endswith((" attention", " mlp")):
            continue
        feed = None if fed is None else fed.inputs[name]
        hook = _feeder(kept.inputs.setdefault(name, []), feed)
        hooks.append(module.register_forward_pre_hook(hook, with_kwargs=True))
    try:
        for ids in texts.values():
            run.model(torch.tensor([list(ids)], device=run.device), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return kept


def _flat(tensor: Any) -> Array:
    found: Array = tensor.float().cpu().numpy().reshape(-1, tensor.shape[-1])
    return found


def _keeper(kept: list[Array]) -> Any:
    """A hook that keeps a module's first output."""

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        kept.append(_flat(output[0] if isinstance(output, tuple) else output))

    return hook


def _feeder(kept: list[Array], feed: Sequence[Array] | None) -> Any:
    """A hook that keeps a module's hidden states, and puts others in their place where there are any."""

    def hook(_module: Any, inputs: Any, options: dict[str, Any]) -> Any:
        given = inputs[0] if inputs else options["hidden_states"]
        kept.append(_flat(given))
        if feed is None:
            return None
        put = torch.from_numpy(feed[len(kept) - 1]).to(given).reshape(given.shape)
        return ((put, *inputs[1:]), options) if inputs else (inputs, options | {"hidden_states": put})

    return hook


def errors(reference: States, states: States) -> dict[str, float]:
    """Stage -> ||state - reference|| / ||reference|| over all texts, in float64; ||state|| where that is zero."""
    found = {}
    for name, expected in reference.outputs.items():
        r, c = (np.concatenate(side).astype(np.float64) for side in (expected, states.outputs[name]))
        size = float(np.linalg.norm(r))
        found[name] = float(np.linalg.norm(c - r)) / (size or 1.0)
    return found


@dataclass(frozen=True)
class Errors:
    """Relative error of each stage: as it arrives there, and as it is made there."""

    arrived: dict[str, float]
    made: dict[str, float]


def measure(run: Pass, texts: Mapping[str, Sequence[int]], reference: States) -> Errors:
    """Both errors of a loaded model against the reference's hidden states."""
    own, fed = capture(run, texts), capture(run, texts, reference)
    return Errors(errors(reference, own), errors(reference, fed))


def compare(noise: Errors, candidates: Mapping[str, Errors], limit: float = LIMIT) -> dict[str, Any]:
    """Errors of every stage, and for each candidate the first stage that leaves the noise.

    A stage leaves the noise where the error made there is more than `limit` times that of the noise floor, or
    where it makes an error and the noise floor makes none.
    """
    return {
        "limit": limit,
        "stages": list(noise.made),
        "noise_floor": _row(noise),
        "candidates": {name: _row(found) | _beyond(found, noise, limit) for name, found in candidates.items()},
    }


def _row(found: Errors) -> dict[str, Any]:
    return {"arrived": list(found.arrived.values()), "made": list(found.made.values())}


def _beyond(found: Errors, noise: Errors, limit: float) -> dict[str, Any]:
    beyond = [name for name, error in found.made.items() if error > limit * noise.made[name]]
    if not beyond:
        return {"beyond_noise": [], "first_beyond_noise": None, "first_beyond_noise_why": "no stage leaves the noise"}
    return {"beyond_noise": beyond, "first_beyond_noise": beyond[0]}
