"""Where an error starts: hidden states after every stage of a decoder, and the first stage beyond the noise.

Two errors of each stage are distinguished. The one that *arrives* there is that of an ordinary pass and grows from
layer to layer. The one that is *made* there is seen when every block, the final norm and the output matrix are fed
the reference's hidden states: then a correct stage shows only the error of its dtype, and a faulty one
stands out alone, even if its fault is small compared with the noise of all other stages together. A dense MLP is
looked at once more, `alone`: fed its own input of the reference, it does not hold what the attention of its layer made.

Stages are found in the module tree, not by a model's name: the embedding, in each block the attention, the MLP and
the block itself, the final norm, the output matrix. So every transformers decoder whose blocks are in one list
works. Hidden states are kept for short texts only, as float32 on the CPU.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.core.plain import Options
from evalpress.model import routing
from evalpress.model.forward import Pass

Array = NDArray[np.float32]
Modules: TypeAlias = dict[str, torch.nn.Module]

_ATTENTION = ("attn", "attention")
_MLP = ("mlp", "feed_forward", "ffn", "moe")
_NORM = ("norm", "ln_f")
_ALONE = " alone"


@dataclass(frozen=True)
class States:
    """Hidden states by stage, stages in the order of computation, one array [positions, width] per text.

    `inputs` holds what went into each stage that can be fed: blocks, final norm, output matrix, dense MLPs. `routes`
    is empty for a model without experts.
    """

    outputs: dict[str, list[Array]] = field(default_factory=dict)
    inputs: dict[str, list[Array]] = field(default_factory=dict)
    routes: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)
    """Layer -> per text the experts chosen at each position, sorted: [positions, experts per token]."""


def stages(model: Any) -> Modules:
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
    found: Modules = {"embedding": model.get_input_embeddings()}
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
    sparse = routers(found)
    for name, module in sparse.items():
        hooks.append(module.register_forward_hook(_route_keeper(kept.routes.setdefault(name, []))))
    for name, module in found.items():
        hooks.append(module.register_forward_hook(_keeper(kept.outputs.setdefault(name, []))))
        if name.endswith(" mlp") and name.removesuffix(" mlp") not in sparse:
            hooks.append(_alone(name, module, kept, fed))
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
    for name in [name for name, outputs in kept.outputs.items() if not outputs]:
        del kept.outputs[name]
    return kept


def _alone(name: str, module: Any, kept: States, fed: States | None) -> Any:
    """A hook for a dense MLP: keeps its input, or with `fed` what it makes of the reference's input.

    An MLP that takes more than its hidden states (Bloom's adds the residual) has no such stage.
    """
    inputs, outputs = kept.inputs.setdefault(name, []), kept.outputs.setdefault(name + _ALONE, [])

    def hook(_module: Any, given: Any, options: Options, output: Any) -> None:
        if len(given) != 1 or options:
            return
        if fed is None:
            inputs.append(_flat(given[0]))
            outputs.append(kept.outputs[name][-1])
            return
        put = torch.from_numpy(fed.inputs[name][len(outputs)]).to(given[0]).reshape(given[0].shape)
        made = module.forward(put)
        outputs.append(_flat(made[0] if isinstance(made, tuple) else made))

    return module.register_forward_hook(hook, with_kwargs=True)


def routers(found: Modules) -> Modules:
    """Layer -> the module that chooses its experts, of a mixture of experts."""
    return {
        name: module
        for name, block in found.items()
        if re.fullmatch(r"layer \d+", name)
        for module in routing.routers(block)
    }


def _route_keeper(kept: list[NDArray[np.int64]]) -> Any:
    """A hook that keeps which experts a router chose: the integers that it gives back."""

    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        for part in output if isinstance(output, tuple) else (output,):
            if isinstance(part, torch.Tensor) and not part.is_floating_point():
                kept.append(np.sort(part.reshape(-1, part.shape[-1]).cpu().numpy().astype(np.int64), axis=1))
                return

    return hook


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

    def hook(_module: Any, inputs: Any, options: Options) -> Any:
        given = inputs[0] if inputs else options["hidden_states"]
        kept.append(_flat(given))
        if feed is None:
            return None
        put = torch.from_numpy(feed[len(kept) - 1]).to(given).reshape(given.shape)
        return ((put, *inputs[1:]), options) if inputs else (inputs, options | {"hidden_states": put})

    return hook


def rerouted(reference: States, states: States) -> dict[str, NDArray[np.bool_]]:
    """Layer -> bool [positions of all texts]: whether other experts were chosen than in the reference."""
    return {
        name: (np.concatenate(expected) != np.concatenate(states.routes[name])).any(axis=1)
        for name, expected in reference.routes.items()
        if expected and len(states.routes.get(name, ())) == len(expected)
    }


def errors(reference: States, states: States) -> dict[str, float]:
    """Stage -> ||state - reference|| / ||reference|| over all texts, in float64; ||state|| where that is zero.

    Positions that a layer sends to other experts than the reference does are left out of that layer's MLP and block,
    as long as half are left: another expert's output is no rounding error and does not test the arithmetic.
    """
    other = rerouted(reference, states)
    found = {}
    for name, expected in reference.outputs.items():
        r, c = (np.concatenate(side).astype(np.float64) for side in (expected, states.outputs[name]))
        elsewhere = other.get(name.removesuffix(" mlp"))
        if elsewhere is not None and 2 * elsewhere.sum() <= len(elsewhere):
            r, c = r[~elsewhere], c[~elsewhere]
        size = float(np.linalg.norm(r))
        found[name] = float(np.linalg.norm(c - r)) / (size or 1.0)
    return found


@dataclass(frozen=True)
class Errors:
    """Relative error of each stage, as it arrives there and as it is made there; `rerouted` is the share of positions
    at which a layer, fed the reference's states, chose other experts."""

    arrived: dict[str, float]
    made: dict[str, float]
    rerouted: dict[str, float] = field(default_factory=dict)


def measure(run: Pass, texts: Mapping[str, Sequence[int]], reference: States) -> Errors:
    """Both errors of a loaded model against the reference's hidden states."""
    own, fed = capture(run, texts), capture(run, texts, reference)
    shares = {name: float(where.mean()) for name, where in rerouted(reference, fed).items()}
    return Errors(errors(reference, own), errors(reference, fed), shares)
