"""The alignment section: reference, noise floor and candidates computed and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evalpress import engine, model
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.core.paths import resolve
from evalpress.core.plain import Json
from evalpress.core.progress import step
from evalpress.model import chat
from evalpress.model.forward import TextLogits
from evalpress.model.isolated import Isolated
from evalpress.params import prompts
from evalpress.params.schema import Mode, Params
from evalpress.sections.alignment import decode, store
from evalpress.sections.alignment.baseline import NOISE_FLOOR, Text, TokenText
from evalpress.sections.alignment.collected import Passes
from evalpress.sections.alignment.comparison import Raw, compare
from evalpress.sections.alignment.cost import not_computed
from evalpress.sections.alignment.passes import REFERENCE, Ended, Event, Request
from evalpress.sections.alignment.results import Reference, Results, Source
from evalpress.sections.alignment.stopwatch import COMPARISONS, ENGINE_LOADS, ENGINE_STEPS, FORWARD_PASSES, Stopwatch
from evalpress.sections.job import Job, Stages, completed

_DEVICES = {"cpu": "cpu", "cuda": "cuda", "ascend": "npu"}
_TOKENIZER_FILES = ("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece")
_PASSES = "evalpress.sections.alignment.passes"
_FROM_FILE = "the reference logits come from a file, which holds no hidden states"
_NO_ANSWERS = "the reference logits come from a file, which holds none of generated tokens"
_ELSEWHERE = "the reference logits come from a file"
_NO_PROMPT = "no text of kind `prompt`: there is nothing to answer"


@dataclass
class EngineOutputs:
    """The outputs of the engines."""

    described: dict[str, Source] = field(default_factory=dict)
    prefill: dict[str, list[tuple[str, TextLogits]]] = field(default_factory=dict)
    """Run -> logits of a sample of positions, text by text."""
    answers: decode.Answers = field(default_factory=decode.Answers)


def measure(job: Job) -> Results:
    """All comparison runs of the set's texts; the record of every position goes to `results/raw`."""
    return completed(stages(job))


def stages(job: Job) -> Stages[Results]:
    """`measure` in stages, each with what it found: the engines' logits, then the agreement with the reference."""
    p = job.params
    tokenizer = chat.load_tokenizer(p)
    texts = tokenised(p, tokenizer)
    show: TokenText = lambda token: str(tokenizer.decode([token]))  # noqa: E731
    watch = Stopwatch()
    with Isolated(_PASSES) as process:
        asked = ask_engines(p, texts, watch)
        yield "the engines' logits", {run: _extent(parts) for run, parts in asked.prefill.items()}
        engine.make_room(engine.reader_bytes(p, "float32"))
        request = request_of(p, texts, asked.answers)
        events = process.stream(f"{_PASSES}:every_pass", request)
        results = judge(p, texts, show, asked, request, events, lambda raw: job.raw("positions", raw))
    yield "cosine similarity with the reference", {n: one.cosine_similarity for n, one in results.candidates.items()}
    return results


def _extent(parts: Sequence[tuple[str, TextLogits]]) -> str:
    """How much an engine gave: texts, positions and size of the vocabulary."""
    positions = sum(len(logits.positions) for _, logits in parts)
    return f"{len(parts)} texts, {positions} positions, {parts[0][1].values.shape[1]} logits each"


def judge(
    p: Params,
    texts: Sequence[Text],
    show: TokenText,
    asked: EngineOutputs,
    request: Request,
    events: Iterable[Event],
    keep: Callable[[Raw], str],
) -> Results:
    """The section's results from what the engines gave and the passes' events.

    Args:
        show: a token id as text.
        events: the stream of `passes.every_pass(request)`.
        keep: keeps the record of every position and says where.
    """
    ids, watch, dtype = {text.id: text.token_ids for text in texts}, asked.answers.watch, p.engine.dtype
    passes = Passes(watch.waiting(FORWARD_PASSES, events), asked.described)
    with tempfile.TemporaryDirectory(prefix="evalpress-logits-") as scratch:
        logits, origin = _reference(p, texts, passes, request, Path(scratch))
        scored = {name: logits.pop(name) for name in request.positions if name not in ids}
        noise: list[tuple[str, TextLogits]] = []
        device = f"transformers_{request.device}"
        candidates = {device: passes.parts(device, ids, []), **asked.prefill}
        floor = passes.parts(NOISE_FLOOR, ids, noise)
        with watch.part(COMPARISONS):
            outcome = compare(
                logits, floor, candidates, texts, show, passes.described, dtype=dtype, routed=passes.routed
            )
            answered = decode.Scored(scored, noise, asked.answers.sequences(ids))
            decoded, raw = decode.compare(asked.answers, answered, texts, show, dtype, routed=passes.routed())
    found, why = passes.layers()
    return Results(
        reference=Reference(
            **origin,
            **dict(passes.ended[REFERENCE].cost or ()),
            n_positions=sum(len(part.positions) for part in logits.values()),
        ),
        texts=tuple(outcome.texts),
        noise_floor=outcome.noise_floor,
        candidates=outcome.candidates,
        decode=decoded,
        decode_why_not=asked.answers.why,
        last_tokens={run: tuple(rows) for run, rows in outcome.last_tokens.items()},
        layers=found,
        layers_why=why,
        batching=passes.batching(),
        raw=keep(outcome.raw | raw),
        spent=watch.split(),
    )


def _reference(
    p: Params, texts: Sequence[Text], passes: Passes, request: Request, scratch: Path
) -> tuple[dict[str, TextLogits], Json]:
    """The reference's logits, from the set's file or computed now, and what computed them."""
    which = identity(p, texts)
    if p.alignment.reference_logits:
        passes.ended[REFERENCE] = Ended(REFERENCE, not_computed(_ELSEWHERE), layers_why=_FROM_FILE)
        path = resolve(p.alignment.reference_logits)
    else:
        path = passes.save(scratch / "reference.safetensors", which, request)
    return store.load(path, which)


def save_reference(p: Params, path: Path) -> Path:
    """Compute the set's reference logits (transformers, CPU, float32) and write them to `path`."""
    texts = tokenised(p, chat.load_tokenizer(p))
    request = request_of(p, texts, decode.Answers(), judged=False)
    with Isolated(_PASSES) as process:
        passes = Passes(process.stream(f"{_PASSES}:every_pass", request), {})
        return passes.save(path, identity(p, texts), request)


def request_of(p: Params, texts: Sequence[Text], answers: decode.Answers, *, judged: bool = True) -> Request:
    """What transformers is to compute: the texts, and the sequences that the engines generated."""
    ids: dict[str, Sequence[int]] = {text.id: text.token_ids for text in texts}
    positions: dict[str, Sequence[int]] = {name: range(len(tokens)) for name, tokens in ids.items()}
    if not p.alignment.reference_logits:
        for sequence, (name, start) in answers.starts(ids).items():
            ids[name], positions[name] = sequence, range(start, len(sequence) - 1)
    try:
        facts: model.ArchitectureFacts | str = model.facts(p)
    except UserError as error:
        facts = str(error)
    return Request(
        folder=model.resolve(p),
        trust_remote_code=p.model.trust_remote_code,
        dtype=p.engine.dtype,
        device=_DEVICES[p.platform.backend],
        texts=ids,
        positions=positions,
        prompts=[text.id for text in texts if text.kind == "prompt"],
        facts=facts,
        reference=not p.alignment.reference_logits,
        judged=judged,
    )


def ask_engines(p: Params, texts: Sequence[Text], watch: Stopwatch | None = None) -> EngineOutputs:
    """A sample of prefill positions of every mode (full vocabularies are Python objects in vLLM), and answers."""
    asked = EngineOutputs()
    asked.answers.watch = watch or asked.answers.watch
    with asked.answers.watch.part(ENGINE_LOADS):
        _ask(p, texts, asked)
    return asked


def _ask(p: Params, texts: Sequence[Text], asked: EngineOutputs) -> None:
    why = _NO_ANSWERS if p.alignment.reference_logits else None
    if not any(text.kind == "prompt" for text in texts):
        why = _NO_PROMPT
    for mode in p.engine.modes:
        name = f"vllm_{mode}"
        asked.prefill[name] = _prefill(p, mode, name, texts, asked.answers.watch)
        changed = engine.get(p, mode).sampler_mode or None
        asked.described[name] = Source(engine="vllm", mode=mode, dtype=p.engine.dtype, variant=changed)
        vocabulary = asked.prefill[name][0][1].values.shape[1]
        if why is None:
            decode.ask_mode(p, mode, texts, vocabulary, asked.answers)
        else:
            asked.answers.why[name] = why
    if why is None:
        decode.ask_in_pieces(p, p.engine.modes[0], texts, vocabulary, asked.answers)


def _prefill(p: Params, mode: Mode, name: str, texts: Sequence[Text], watch: Stopwatch) -> list[tuple[str, TextLogits]]:
    step(f"loading the {mode} engine")
    loaded = engine.get(p, mode)
    found = []
    for text in texts:
        step(f"vLLM {mode}: logits of {text.id}")
        _same_tokens(name, text, loaded.tokenize(text.text)[: _longest(p)])
        at = sample(len(text.token_ids), p.alignment.vllm_positions)
        with watch.part(ENGINE_STEPS):
            found.append((text.id, TextLogits(np.array(at, np.int64), loaded.logits(text.token_ids, at))))
    return found


def tokenised(p: Params, tokenizer: Any) -> list[Text]:
    """The set's texts as token ids, special tokens as the tokenizer adds them, cut to the longest allowed.

    Raises:
        UserError: a text has no tokens.
    """
    found = []
    for prompt in prompts.load(p.alignment.prompts):
        ids = tuple(tokenizer.encode(prompt.text)[: _longest(p)])
        if not ids:
            raise UserError(f"alignment.prompts: {prompt.id}: found a text without tokens, allowed at least one")
        found.append(Text(prompt.id, prompt.text, prompt.kind, prompt.language, ids))
    return found


def identity(p: Params, texts: Sequence[Text]) -> store.Identity:
    """Digests of what logits are of: config and weights, tokenizer files, texts with their token ids."""
    files = {name: row["sha256"] for name, row in model.folder_digest(model.resolve(p))["files"].items()}
    tokens = {name: sha for name, sha in files.items() if name.startswith(_TOKENIZER_FILES)}
    weights = {n: sha for n, sha in files.items() if n == "config.json" or n.endswith((".safetensors", ".bin", ".py"))}
    return store.Identity(
        model=digest(weights),
        tokenizer=digest(tokens),
        prompts=digest([[text.id, text.text, list(text.token_ids)] for text in texts]),
    )


def sample(length: int, count: int) -> list[int]:
    """At most `count` positions of a text, evenly spaced, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(length - 1, 0, min(count, length)).tolist()})


def _same_tokens(name: str, text: Text, found: Sequence[int]) -> None:
    """Refuse an engine whose tokenizer differs: it would answer other prompts than those compared here."""
    if tuple(found) == text.token_ids:
        return
    pairs = zip((*found, "end"), (*text.token_ids, "end"), strict=False)
    at, (theirs, ours) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    raise MeasurementError(
        f"{name}: {text.id}: the engine's tokenizer gives token {theirs} at position {at}, the reference's gives {ours}"
    )


def _longest(p: Params) -> int:
    return min(p.alignment.max_position, p.engine.max_model_len - 1)
