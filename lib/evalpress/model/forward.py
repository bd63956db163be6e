"""Teacher-forced logits from transformers: one forward pass over known tokens, no KV cache, no generation.

Works with every decoder that transformers can load. The logits are the model's own, head and any scaling or
capping included, as float32 (which holds every bfloat16 and float16 number exactly).

Position p means: the logits after reading tokens 0 to p, which predict token p + 1.
"""

from __future__ import annotations

import gc
import inspect
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import shown
from evalpress.core.plain import Options
from evalpress.model import routing
from evalpress.model.described import Described
from evalpress.model.threads import reference_threads

ATTENTION = "sdpa"
"""The attention implementation requested from transformers: torch's scaled_dot_product_attention."""
OTHER_ATTENTION = "eager"
"""The model's own code for attention, matrix product by matrix product."""
_SAME_ARITHMETIC = {"float32": 1e-3, "float16": 0.05, "bfloat16": 0.1}
"""Largest relative distance of two passes of the same arithmetic, by dtype: rounding moves float32 logits by some 1e-5
of their size, bfloat16's by some 1e-2."""
_MAX_TOKENS = 4096
_MAX_BYTES = 2**29
"""Largest batch, in padded tokens and in bytes of float32 logits held at a time."""


@dataclass(frozen=True)
class TextLogits:
    """Raw logits of one text: `values` float32 [positions, vocabulary], `positions` increasing.

    `routers`: of a mixture of experts, how each layer's router chose at every token up to the last of the positions:
    float32 [layers, tokens, 2], as `routing.watched` gives them; None for other models.
    """

    positions: NDArray[np.int64]
    values: NDArray[np.float32]
    routers: NDArray[np.float32] | None = None


@dataclass
class Pass:
    """A loaded model and what its forward passes have cost so far."""

    model: Any
    device: str
    described: Described
    seconds: float = 0.0
    tokens: int = 0
    padded_tokens: int = 0
    batches: int = 0


@contextmanager
def loaded(
    folder: Path,
    dtype: str,
    device: str = "cpu",
    attention: str = ATTENTION,
    trust_remote_code: bool = False,
) -> Iterator[Pass]:
    """The model of a folder on a device in a dtype (float32, bfloat16 or float16); freed on leaving.

    A model for which transformers refuses sdpa is loaded with eager attention; `described` says which it is.

    Raises:
        MeasurementError: transformers cannot load it, or the weights are not in the dtype that was asked for; those
            that the model's class keeps in float32 on purpose may be.
    """
    start = time.perf_counter()
    model = _load(folder, dtype, attention, trust_remote_code).to(device).eval()
    odd = _odd_dtypes(model, dtype)
    if odd:
        raise MeasurementError(f"{shown(folder)}: found weights in {', '.join(sorted(odd))}, allowed {dtype}")
    attention, load_s = model.config._attn_implementation, time.perf_counter() - start
    described: Described = {"dtype": dtype, "device": device, "attention": attention, "load_s": load_s, "threads": 0}
    run = Pass(model, device, described)
    del model
    try:
        with reference_threads() as run.described["threads"]:
            yield run
    finally:
        run.model = None
        gc.collect()
        if device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif device.startswith("npu"):
            torch.npu.empty_cache()


def _odd_dtypes(model: Any, dtype: str) -> set[str]:
    """Dtypes of weights that are neither in the dtype asked for nor kept in float32 by their class's own list."""
    kept = [
        pattern
        for module in model.modules()
        for name in ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict")
        for pattern in getattr(module, name, None) or ()
    ]
    found = set()
    for name, weight in model.named_parameters():
        its = str(weight.dtype).removeprefix("torch.")
        if its != dtype and not (its == "float32" and any(re.search(pattern, name) for pattern in kept)):
            found.add(its)
    return found


@dataclass(frozen=True)
class Attentions:
    """The attention implementations of transformers that are correct for a model, the reference's first, and why."""

    names: tuple[str, ...]
    reason: str


@torch.inference_mode()
def right_attentions(run: Pass, probe: Sequence[int]) -> Attentions:
    """Whether sdpa computes what the model defines, by its own code for eager attention, in one dtype.

    sdpa silently leaves out what its kernel lacks (`attn_logit_softcapping` of Gemma 2). On leaving, the model
    computes with the first of the names.

    Args:
        run: the model, best in float32.
        probe: token ids to try it on.
    """
    model = run.model
    first = model.config._attn_implementation
    if first == OTHER_ATTENTION:
        return Attentions((OTHER_ATTENTION,), f"transformers offers no {ATTENTION} for this model")
    tokens = torch.tensor([list(probe)], device=run.device)
    own = model(tokens, use_cache=False).logits.double()
    try:
        model.set_attn_implementation(OTHER_ATTENTION)
        other = model(tokens, use_cache=False).logits.double()
    except (ValueError, NotImplementedError, AttributeError) as error:  # a model without it raises any of these
        model.set_attn_implementation(first)
        return Attentions((first,), f"transformers offers no {OTHER_ATTENTION} attention for this model: {error}")
    distance = float((own - other).norm() / other.norm())
    dtype = run.described["dtype"]
    if distance > _SAME_ARITHMETIC[dtype]:
        softcap = getattr(model.config.get_text_config(), "attn_logit_softcapping", None)
        dropped = f", which leaves out attn_logit_softcapping = {softcap}" if softcap else ""
        why = f"relative distance {distance:.2g} of the {dtype} logits from those of {ATTENTION}{dropped}"
        return Attentions((OTHER_ATTENTION,), why)
    model.set_attn_implementation(first)
    return Attentions((first, OTHER_ATTENTION), f"{ATTENTION} and {OTHER_ATTENTION} agree in {dtype}")


def _load(folder: Path, dtype: str, attention: str, trust_remote_code: bool) -> Any:
    from transformers import AutoModelForCausalLM

    options = {"dtype": getattr(torch, dtype), "trust_remote_code": trust_remote_code}
    try:
        try:
            return AutoModelForCausalLM.from_pretrained(folder, attn_implementation=attention, **options)
        except ValueError as error:
            if attention != ATTENTION or "attention implementation" not in str(error):
                raise
            return AutoModelForCausalLM.from_pretrained(folder, attn_implementation=OTHER_ATTENTION, **options)
    except (OSError, ValueError, ImportError, KeyError) as error:
        said = str(error).strip().splitlines()
        raise MeasurementError(
            f"{shown(folder)}: transformers cannot load the model: {said[0] if said else error!r}"
        ) from None


def forward(
    run: Pass, texts: Mapping[str, Sequence[int]], positions: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, TextLogits]]:
    """Logits of every text at its positions, in order of length, a bounded part in memory at a time.

    Texts of similar length share a pass, padded on the right, where a causal model cannot see the
    padding. Logits that do not fit in that bound come in several parts, all from the same pass: only the
    output matrix is applied part by part.

    Args:
        run: the loaded model.
        texts: text id -> token ids.
        positions: text id -> increasing positions below the text's length.
    """
    vocabulary = run.model.config.get_text_config().vocab_size
    for names in buckets({name: len(ids) for name, ids in texts.items()}):
        wanted = np.unique(np.concatenate([np.asarray(positions[name], np.int64) for name in names]))
        step = max(1, _MAX_BYTES // (4 * len(names) * vocabulary))
        tokens, mask = _padded([texts[name] for name in names])
        run.tokens += int(mask.sum())
        run.padded_tokens += mask.numel()
        run.batches += 1
        with _body_once(run.model), routing.watched(run.model) as chosen:
            for start in range(0, len(wanted), step):
                part = wanted[start : start + step]
                for row, (name, values) in enumerate(zip(names, _logits(run, tokens, mask, part), strict=True)):
                    keep = np.isin(part, positions[name])
                    if keep.any():
                        yield name, TextLogits(part[keep], values[keep], _of_row(chosen, row, tokens, part[keep]))


def _of_row(
    chosen: list[NDArray[np.float32]], row: int, tokens: torch.Tensor, positions: NDArray[np.int64]
) -> NDArray[np.float32] | None:
    """How the routers chose in one text of a pass, up to the last of these positions; None without routers."""
    whole = [layer for layer in chosen if len(layer) == tokens.numel()]
    if not whole:
        return None
    return np.stack([layer.reshape(*tokens.shape, 2)[row, : positions[-1] + 1] for layer in whole])


def buckets(lengths: Mapping[str, int]) -> list[list[str]]:
    """Names grouped so that each group is at most twice as long as its shortest and within a token
    budget."""
    found: list[list[str]] = []
    for name in sorted(lengths, key=lambda name: lengths[name]):
        longest = lengths[name]
        fits = found and longest <= 2 * lengths[found[-1][0]] and longest * (len(found[-1]) + 1) <= _MAX_TOKENS
        if fits:
            found[-1].append(name)
        else:
            found.append([name])
    return found


def _padded(texts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask [texts, longest], padded on the right."""
    longest = max(len(ids) for ids in texts)
    tokens = torch.zeros((len(texts), longest), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, ids in enumerate(texts):
        tokens[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
        mask[row, : len(ids)] = 1
    return tokens, mask


@contextmanager
def _body_once(model: Any) -> Iterator[None]:
    """Inside, the layers are computed once; further calls return the same hidden states.

    The head, with any scaling or capping after it, is the model's own. A model without a separate body
    is computed anew each time.
    """
    body = model.base_model
    if body is model:
        yield
        return
    compute, kept = body.forward, list[Any]()

    def forward(*inputs: Any, **options: Any) -> Any:
        if not kept:
            kept.append(compute(*inputs, **options))
        return kept[0]

    body.forward = forward
    try:
        yield
    finally:
        del body.forward


@torch.inference_mode()
def _logits(run: Pass, tokens: torch.Tensor, mask: torch.Tensor, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Float32 logits [texts, positions, vocabulary]; those beyond a text's end are meaningless."""
    options: Options = {"use_cache": False}
    if not bool(mask.all()):
        options["attention_mask"] = mask.to(run.device)
    chosen = torch.from_numpy(positions)
    if "logits_to_keep" in inspect.signature(run.model.forward).parameters:
        options["logits_to_keep"] = chosen.to(run.device)
    start = time.perf_counter()
    logits = run.model(tokens.to(run.device), **options).logits
    values = (logits if "logits_to_keep" in options else logits[:, chosen.to(run.device)]).float().cpu()
    run.seconds += time.perf_counter() - start
    found: NDArray[np.float32] = values.numpy()
    return found
