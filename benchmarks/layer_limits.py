"""Limits of the layer view: false alarms on implementations that set no limit, and planted faults that it must name.

    python benchmarks/layer_limits.py --model models/demo [--model FOLDER ...]
    python benchmarks/layer_limits.py --shape models/qwen2-0.5b-shape --weights random --weights structured
    python benchmarks/layer_limits.py --tiny llama --tiny gemma2 --tiny mixtral --weights random --weights structured

For each model: the float32 reference's hidden states, limits from the implementations that the alignment section itself
uses (`implementations.named`), then two tables.

Held out: implementations that set no limit, each with 1 and 2 threads: the other attention path, sums in four parts,
sums over interleaved channels, and products computed in float32 and rounded once. A stage beyond its limit is a false
alarm.

Planted: the faults of `tests/support/planted.py`; each must be named, and no stage before its own. A fault that cannot
be seen is no miss: one whose own error at its stage (the faulty model in float32 against the reference), added to the
noise as independent errors add, stays below the limit. The table gives both.

Weights of a shape: `random` as transformers draws them, with queries and keys eight times as large (else attention is
uniform, and no fault of positions changes anything); `structured` with what trained models have and random ones lack:
rows and columns, so singular values, that fall off, some channels of the residual stream forty times larger than
others, large biases of queries and keys.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from evalpress.model import forward
from evalpress.model.forward import Pass
from evalpress.sections.alignment import implementations, layer_limits, layers
from evalpress.sections.alignment.layers import Errors, States
from evalpress.sections.alignment.results import Layers
from transformers import AutoConfig, AutoModelForCausalLM, Gemma2Config, LlamaConfig, MixtralConfig

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from planted import LAYER_FAULTS, Fault

Context = Callable[[], AbstractContextManager[Any]]
DTYPE = "bfloat16"
LENGTHS = (7, 12, 21)
"""Tokens of the texts."""
_SIZES: dict[str, Any] = {
    **{"vocab_size": 512, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128},
}
TINY: dict[str, Any] = {
    "llama": lambda: LlamaConfig(**_SIZES, rope_parameters={"rope_type": "default", "rope_theta": 5e5}),
    "gemma2": lambda: Gemma2Config(**_SIZES, head_dim=32, query_pre_attn_scalar=32),
    "mixtral": lambda: MixtralConfig(**_SIZES, num_experts_per_tok=2, num_local_experts=8, sliding_window=None),
}


@dataclass(frozen=True)
class Calibrated:
    """A model's reference and the errors that set its limits."""

    folder: Path
    texts: Mapping[str, Sequence[int]]
    states: States
    attentions: tuple[str, ...]
    noise: Errors
    correct: Mapping[str, Errors]

    def judged(self, errors: Mapping[str, Errors]) -> Layers:
        """The layer view of some runs."""
        return layer_limits.compare(self.noise, self.correct, errors)


def texts(vocabulary: int, seed: int = 0) -> dict[str, list[int]]:
    """Random token ids."""
    drawn = torch.Generator().manual_seed(seed)
    return {str(n): torch.randint(5, vocabulary, (n,), generator=drawn).tolist() for n in LENGTHS}


def calibrated(folder: Path) -> Calibrated:
    """Reference and limits, as the alignment section makes them."""
    with forward.loaded(folder, "float32") as run:
        asked = texts(run.model.config.get_text_config().vocab_size)
        attentions = forward.right_attentions(run, max(asked.values(), key=len)).names
        states = layers.capture(run, asked)
    found = {}
    with forward.loaded(folder, DTYPE, attention=attentions[0]) as run:
        for name, context in implementations.named(run.model, attentions).items():
            with context():
                found[name] = layers.measure(run, asked, states)
    return Calibrated(folder, asked, states, attentions, found[attentions[0]], found)


def in_quarters(inputs: Any, weight: Any) -> Any:
    """Sums in four parts, each rounded."""
    parts = zip(inputs.chunk(4, -1), weight.chunk(4, -1), strict=True)
    found = [one @ other.mT for one, other in parts]
    return (found[0] + found[1]) + (found[2] + found[3]) if len(found) == 4 else sum(found)


def interleaved(inputs: Any, weight: Any) -> Any:
    """Even channels first, then odd ones."""
    return inputs[..., ::2] @ weight[..., ::2].mT + inputs[..., 1::2] @ weight[..., 1::2].mT


def rounded_once(inputs: Any, weight: Any) -> Any:
    """In float32, rounded to the dtype at the end."""
    return (inputs.float() @ weight.float().mT).to(inputs.dtype)


@contextmanager
def threads(count: int, inner: AbstractContextManager[Any]) -> Iterator[None]:
    """This many threads of torch inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with inner:
            yield
    finally:
        torch.set_num_threads(before)


def held_out(run: Pass, attentions: Sequence[str]) -> dict[str, Context]:
    """Name -> context of an implementation that sets no limit."""
    ways: dict[str, Context] = {
        "sums in four parts": lambda: implementations.products(in_quarters),
        "interleaved sums": lambda: implementations.products(interleaved),
        "float32 products": lambda: implementations.products(rounded_once),
    }
    for name in attentions[1:]:
        ways[f"{name} attention"] = lambda name=name: implementations.attention(run.model, name)  # type: ignore[misc]
    if len(attentions) == 1:
        ways["as it is"] = nullcontext
    return {
        f"{name}, {count} thread{'s' * (count > 1)}": lambda way=way, count=count: threads(count, way())  # type: ignore[misc]
        for name, way in ways.items()
        for count in (1, 2)
    }


def largest(view: Layers, name: str) -> tuple[float, str]:
    """The largest ratio of error made to limit, and its stage."""
    ratios = [
        (made / limit, stage)
        for made, limit, stage in zip(view.candidates[name].made, view.limits, view.stages, strict=True)
        if limit > 0
    ]
    return max(ratios)


def false_alarms(known: Calibrated) -> tuple[int, int]:
    """Print a row per held-out implementation; stages beyond their limit, and stages in all."""
    alarms = total = 0
    with forward.loaded(known.folder, DTYPE, attention=known.attentions[0]) as run:
        for name, context in held_out(run, known.attentions).items():
            with context():
                view = known.judged({"c": layers.measure(run, known.texts, known.states)})
            beyond, (ratio, stage) = view.candidates["c"].beyond_noise, largest(view, "c")
            print(f"| {name} | {ratio:.2f} of the limit at {stage} | {', '.join(beyond) or 'none'} |", flush=True)
            alarms, total = alarms + len(beyond), total + len(view.stages)
    return alarms, total


def effect(known: Calibrated, fault: Fault) -> float:
    """The error that a fault makes at its stage without any rounding: relative, in float32."""
    with forward.loaded(known.folder, "float32") as run:
        fault.change(run.model)
        return layers.measure(run, known.texts, known.states).made[fault.stage or "logits"]


def can_be_seen(known: Calibrated, fault: Fault) -> tuple[bool, str]:
    """Whether a fault's own error is large enough for its stage's limit, and the figures in words."""
    view, own = known.judged({}), effect(known, fault)
    stages = [name for name in view.stages if name.removesuffix(" alone") == (fault.stage or "logits")]
    at = view.stages.index(stages[-1])  # an MLP alone has less noise than one after the attention of its layer
    noise, limit = view.noise_floor.made[at], (view.limits or ())[at]
    told = f"own error {own:.4f}, noise {noise:.4f}, limit {limit:.4f}"
    return math.hypot(own, noise) > limit, told


def planted(known: Calibrated) -> int:
    """Print a row per fault; how many were not named at their stage although they can be seen there."""
    missed = 0
    for fault in LAYER_FAULTS:
        with forward.loaded(known.folder, DTYPE, attention=known.attentions[0]) as run:
            if (why := _cannot(run.model, fault)) is not None:
                print(f"| {fault.name} | n/a: {why} | |", flush=True)
                continue
            fault.change(run.model)
            found = known.judged({"c": layers.measure(run, known.texts, known.states)})
        first = (found.candidates["c"].first_beyond_noise or "").removesuffix(" alone") or None
        seen, figures = can_be_seen(known, fault)
        hidden = first is None and not seen
        missed += first != fault.stage and not hidden
        told = "as planted" if first == fault.stage else f"MISSED: planted at {fault.stage}"
        told = f"{'below what can be seen' if hidden else told}: {figures}"
        print(f"| {fault.name} | {first} | {told} |", flush=True)
    return missed


def _cannot(model: Any, fault: Fault) -> str | None:
    """Why a fault changes nothing in this model."""
    config = model.config.get_text_config()
    if fault.name == "KV heads in the wrong order" and config.num_key_value_heads == 1:
        return "one KV head"
    base = (getattr(config, "rope_parameters", None) or {}).get("rope_theta")
    if fault.name == "RoPE base 1e4" and base in (1e4, 10000):
        return "the model's own base"
    if fault.name == "one matrix in 8-bit floats" and not hasattr(model.model.layers[1].mlp, "down_proj"):
        return "experts in place of one down projection"
    return None


@torch.no_grad()
def made(config: Any, weights: str, folder: Path, seed: int = 0) -> Path:
    """A folder with weights for a bare configuration."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    if weights == "structured":
        structure(model)
    else:
        for block in model.model.layers:
            for projection in (block.self_attn.q_proj, block.self_attn.k_proj):
                projection.weight *= 8
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


def structure(model: Any) -> None:
    """Give random weights properties of trained ones; see the module's docstring."""
    hidden = model.config.hidden_size
    loud = torch.randperm(hidden)[:6]
    model.get_input_embeddings().weight[:, loud] *= 40
    for block in model.model.layers:
        for norm in (block.input_layernorm, block.post_attention_layernorm):
            norm.weight.copy_(torch.exp(0.5 * torch.randn(hidden)))  # Gemma adds 1 to it
            norm.weight[loud] *= 0.1
        for matrix in (m for m in block.modules() if isinstance(m, torch.nn.Linear)):
            for axis, size in enumerate(matrix.weight.shape):
                fall = ((1 + torch.arange(size, dtype=torch.float32)) ** -0.35)[torch.randperm(size)]
                matrix.weight *= (fall / fall.square().mean().sqrt()).unsqueeze(1 - axis)
            matrix.weight *= 2
        if hasattr(block.mlp, "down_proj"):
            block.mlp.down_proj.weight[loud] *= 10
        for projection in (block.self_attn.q_proj, block.self_attn.k_proj):
            if projection.bias is not None:
                projection.bias.copy_(torch.randn_like(projection.bias) * 3)
                projection.bias[::32] *= 10


def report(name: str, folder: Path) -> tuple[int, int, int]:
    """Both tables of a model; false alarms, stages compared, faults not named."""
    start = time.monotonic()
    known = calibrated(folder)
    view = known.judged({})
    left = view.left_out
    print(
        f"\n{name}: {len(view.stages)} stages, attention {', '.join(known.attentions)}; factor {view.limit:.2f} "
        f"(largest left-out ratio {left.largest_ratio:.2f} of {left.comparisons})\n"
    )
    print("| held out | largest error | beyond the limit |\n|---|---|---|")
    alarms, total = false_alarms(known)
    print("\n| planted | first stage named | |\n|---|---|---|")
    missed = planted(known)
    print(
        f"\n{name}: {alarms} false alarms in {total} stages, {missed} faults missed, {time.monotonic() - start:.0f} s"
    )
    return alarms, total, missed


def main() -> int:
    """Tables of all models; returns 1 where there was a false alarm or a missed fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append", default=[], help="a model's folder")
    parser.add_argument("--shape", type=Path, action="append", default=[], help="a folder with a bare config.json")
    parser.add_argument("--tiny", choices=TINY, action="append", default=[])
    parser.add_argument("--weights", choices=("random", "structured"), action="append", default=[])
    given = parser.parse_args()
    rows = [report(folder.name, folder) for folder in given.model]
    bare = {shape.name: AutoConfig.from_pretrained(shape) for shape in given.shape}
    bare |= {f"tiny {name}": TINY[name]() for name in given.tiny}
    for name, config in bare.items():
        for weights in given.weights:
            with tempfile.TemporaryDirectory() as folder:
                rows.append(report(f"{name}, {weights} weights", made(config, weights, Path(folder))))
    alarms, total, missed = (sum(column) for column in zip(*rows, strict=True))
    print(f"\n{alarms} false alarms in {total} stages, {missed} faults missed")
    return 1 if alarms or missed else 0


if __name__ == "__main__":
    sys.exit(main())
