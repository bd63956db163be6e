"""Every pass of transformers that the section needs, as a stream of events, for a process that never imports vLLM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.model import ArchitectureFacts, forward
from evalpress.model.forward import Attentions, Pass, TextLogits
from evalpress.sections.alignment import batching, cost, implementations, layers
from evalpress.sections.alignment.baseline import NOISE_FLOOR
from evalpress.sections.alignment.results import Arrangement, Cost, Source

REFERENCE = "reference"
_PROBE = 128
"""Tokens on which the attention implementations are tried."""


@dataclass(frozen=True)
class Request:
    """What to compute.

    `positions` may leave out texts: those are not passed. `prompts` are the texts whose hidden states are looked into.
    """

    folder: Any
    trust_remote_code: bool
    dtype: str
    device: str
    texts: Mapping[str, Sequence[int]]
    positions: Mapping[str, Sequence[int]]
    prompts: Sequence[str]
    facts: ArchitectureFacts | str
    reference: bool = True
    """False: the reference comes from a file; only noise floor and candidate are computed."""
    judged: bool = True
    """False: the reference alone."""


@dataclass(frozen=True)
class Begun:
    """A run begins: what it is. `vocabulary` is the number of logits per position."""

    run: str
    described: Source
    vocabulary: int
    attention_reason: str | None = None
    """Why the reference computes with that implementation of attention."""


@dataclass(frozen=True)
class Logits:
    """A part of a run's logits."""

    run: str
    text: str
    part: TextLogits


@dataclass(frozen=True)
class Ended:
    """A run ended: its cost, and results other than its logits."""

    run: str
    cost: Cost | None = None
    """The cost of the reference's passes."""
    described: Source | None = None
    """For another run: what it is, with the cost of its passes."""
    batching: list[Arrangement] | None = None
    errors: layers.Errors | None = None
    correct: dict[str, layers.Errors] | None = None
    layers_why: str | None = None
    """Why there are no hidden states of the reference."""
    routed: bool = False


Event = Begun | Logits | Ended


@dataclass
class _Known:
    """Results of the reference's pass that later passes use."""

    attentions: Attentions = Attentions((forward.ATTENTION,), "not tried yet")
    states: layers.States | None = None


def every_pass(request: Request) -> Iterator[Event]:
    """Reference, noise floor and the candidate on the device, one model in memory at a time."""
    known = _Known()
    if request.reference:
        yield from _reference(request, known)
    if not request.judged:
        return
    yield from _noise_floor(request, known)
    yield from _candidate(request, known)


def _loaded(request: Request, dtype: str, device: str, attention: str) -> AbstractContextManager[Pass]:
    return forward.loaded(request.folder, dtype, device, attention, trust_remote_code=request.trust_remote_code)


def _begun(run: str, loaded: Pass, variant: str | None = None, stand_in: bool | None = None) -> Begun:
    source = Source(
        engine="transformers",
        transformers=version("transformers"),
        torch=version("torch"),
        **loaded.described,
        variant=variant,
        stand_in=stand_in,
    )
    return Begun(run, source, loaded.model.config.get_text_config().vocab_size)


def _spent(begun: Begun, loaded: Pass) -> Source:
    """What the run is, with what its passes cost."""
    spent = {"forward_s": loaded.seconds, "tokens": loaded.tokens, "batches": loaded.batches}
    return begun.described.model_copy(update=spent)


def _logits(run: str, loaded: Pass, request: Request) -> Iterator[Logits]:
    texts = {name: request.texts[name] for name in request.positions}
    for text, part in forward.forward(loaded, texts, request.positions):
        yield Logits(run, text, part)


def _reference(request: Request, known: _Known) -> Iterator[Event]:
    with _loaded(request, "float32", "cpu", forward.ATTENTION) as loaded:
        known.attentions = _right_attentions(loaded, request)
        yield replace(_begun(REFERENCE, loaded), attention_reason=known.attentions.reason)
        yield from _logits(REFERENCE, loaded, request)
        spent = cost.of_passes(loaded, request.facts, [len(request.texts[name]) for name in request.positions])
        why = None
        try:
            known.states = _states(loaded, request)
        except MeasurementError as error:
            why = str(error)
        yield Ended(REFERENCE, spent, layers_why=why)


def _right_attentions(loaded: Pass, request: Request) -> Attentions:
    found: Attentions = forward.right_attentions(loaded, max(request.texts.values(), key=len)[:_PROBE])
    loaded.described["attention"] = found.names[0]
    return found


def _states(loaded: Pass, request: Request) -> layers.States:
    if not request.prompts:
        raise MeasurementError("no text of kind `prompt`: hidden states are kept for those only")
    found: layers.States = layers.capture(loaded, _prompts(request))
    return found


def _prompts(request: Request) -> dict[str, Sequence[int]]:
    return {name: request.texts[name] for name in request.prompts}


def _noise_floor(request: Request, known: _Known) -> Iterator[Event]:
    """The engine's dtype on the reference's device; in float32, where that is the reference itself, other sums."""
    same = request.dtype == "float32"
    with _loaded(request, request.dtype, "cpu", known.attentions.names[0]) as loaded:
        if not request.reference:
            known.attentions = _right_attentions(loaded, request)
        begun = _begun(NOISE_FLOOR, loaded, "every sum in two halves" if same else None)
        yield begun
        with implementations.halved_sums() if same else nullcontext():
            yield from _logits(NOISE_FLOOR, loaded, request)
            spent = _spent(begun, loaded)
            errors = _errors(loaded, request, known)
        found = None
        if known.states is not None:
            contexts = implementations.named(loaded.model, known.attentions.names)
            found = {}
            for name, context in contexts.items():
                with context():
                    found[name] = layers.measure(loaded, _prompts(request), known.states)
        routed = bool(layers.routers(_stages(loaded)))
        yield Ended(NOISE_FLOOR, None, spent, _batching(loaded, request), errors, found, routed=routed)


def _candidate(request: Request, known: _Known) -> Iterator[Event]:
    """transformers on the device; on a CPU set a second implementation on the CPU."""
    run = f"transformers_{request.device}"
    names = known.attentions.names
    on_cpu = request.device == "cpu"
    variant = None
    other: AbstractContextManager[Any] = nullcontext()
    if on_cpu and len(names) == 1:
        backwards = request.dtype == "float32"  # whose noise floor has the sums in halves
        variant = "every sum from its other end" if backwards else "every sum in two halves"
        other = implementations.backward_sums() if backwards else implementations.halved_sums()
    with _loaded(request, request.dtype, request.device, names[-1] if on_cpu else names[0]) as loaded:
        begun = _begun(run, loaded, variant, on_cpu or None)
        yield begun
        with other:
            yield from _logits(run, loaded, request)
            spent = _spent(begun, loaded)
            yield Ended(run, None, spent, _batching(loaded, request), _errors(loaded, request, known))


def _stages(loaded: Pass) -> layers.Modules:
    try:
        return layers.stages(loaded.model)
    except MeasurementError:
        return {}


def _errors(loaded: Pass, request: Request, known: _Known) -> layers.Errors | None:
    return None if known.states is None else layers.measure(loaded, _prompts(request), known.states)


def _batching(loaded: Pass, request: Request) -> list[Arrangement] | None:
    return batching.effects(loaded, _prompts(request)) if request.prompts else None
