"""The alignment section: reference, noise floor and candidates computed and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from evalpress import engine, model
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import digest
from evalpress.core.paths import resolve
from evalpress.core.progress import step
from evalpress.model import chat, forward
from evalpress.model.forward import TextLogits
from evalpress.params import prompts
from evalpress.params.schema import Mode, Params
from evalpress.sections.alignment import batching, cost, layers, store
from evalpress.sections.alignment.comparison import NOISE_FLOOR, Parts, Text, compare
from evalpress.sections.job import Job

_DEVICES = {"cpu": "cpu", "cuda": "cuda", "ascend": "npu"}
_TOKENIZER_FILES = ("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece")
_OTHER_ATTENTION = "eager"
"""Where the device is the reference's own, other kernels of the same dtype stand for one that differs honestly."""
_FROM_FILE = "the reference logits come from a file, which holds no hidden states"
_ELSEWHERE = "the reference logits come from a file"


def measure(job: Job) -> dict[str, Any]:
    """All legs of the set's texts; the record of every position goes to `results/raw`."""
    p = job.params
    folder = model.resolve(p)
    tokenizer = chat.load_tokenizer(p)
    legs = Legs(p, folder, tokenised(p, tokenizer))
    with tempfile.TemporaryDirectory(prefix="evalpress-logits-") as scratch:
        saved = p.alignment.reference_logits
        path = resolve(saved) if saved else legs.save_reference(Path(scratch) / "reference.safetensors")
        logits, origin = store.load(path, identity(p, legs.texts))
        legs.described["reference"] = origin | legs.cost
        noise = legs.transformers(NOISE_FLOOR, "cpu")
        show: Callable[[int], str] = lambda token: str(tokenizer.decode([token]))  # noqa: E731
        outcome = compare(logits, noise, legs.candidates(), legs.texts, show, legs.described)
    found = outcome.data | legs.layer_view() | {"batching": legs.batching}
    return found | {"raw": job.raw("positions", outcome.raw)}


def save_reference(p: Params, path: Path) -> Path:
    """Compute the set's reference logits (transformers, CPU, float32) and write them to `path`."""
    folder = model.resolve(p)
    return Legs(p, folder, tokenised(p, chat.load_tokenizer(p))).save_reference(path)


def tokenised(p: Params, tokenizer: Any) -> list[Text]:
    """The set's texts as token ids, special tokens as the tokenizer adds them, cut to the longest allowed."""
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


@dataclass
class Legs:
    """The legs of one section: each a stream of logits, and what is learnt beside them while it runs."""

    params: Params
    folder: Path
    texts: Sequence[Text]
    described: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: layers.States | None = None
    errors: dict[str, layers.Errors] = field(default_factory=dict)
    layers_why: str = _FROM_FILE
    cost: dict[str, Any] = field(default_factory=lambda: {"forward_s": None, "forward_s_why": _ELSEWHERE})
    batching: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ids = {text.id: text.token_ids for text in self.texts}
        self.every = {text.id: list(range(len(text.token_ids))) for text in self.texts}
        self.prompts = {text.id: text.token_ids for text in self.texts if text.kind == "prompt"}

    def save_reference(self, path: Path) -> Path:
        """Logits of transformers on the CPU in float32, as a file; hidden states of the prompts kept beside."""
        step("reference: transformers on CPU in float32")
        with self._loaded("float32", "cpu") as run:
            vocabulary = run.model.config.get_text_config().vocab_size
            origin = _versions() | run.described
            parts = forward.forward(run, self.ids, self.every)
            store.save(path, identity(self.params, self.texts), origin, self.every, vocabulary, parts)
            self.cost = cost.of_passes(run, self._facts(), map(len, self.every.values()))
            self._look_inside(run)
        return path

    def _facts(self) -> model.ArchitectureFacts | UserError:
        try:
            return model.facts(self.params)
        except UserError as error:
            return error

    def _look_inside(self, run: forward.Pass) -> None:
        """Keep the prompts' hidden states, or the reason why there are none."""
        if not self.prompts:
            self.layers_why = "no text of kind `prompt`: hidden states are kept for those only"
            return
        try:
            self.states = layers.capture(run, self.prompts)
        except MeasurementError as error:
            self.layers_why = str(error)

    def candidates(self) -> dict[str, Parts]:
        """Name -> stream of logits, computed only when it is read."""
        found: dict[str, Parts] = {}
        device = _DEVICES[self.params.platform.backend]
        attention = _OTHER_ATTENTION if device == "cpu" else forward.ATTENTION
        found[f"transformers_{device}"] = self.transformers(f"transformers_{device}", device, attention)
        for mode in self.params.engine.modes:
            found[f"vllm_{mode}"] = self.vllm(f"vllm_{mode}", mode)
        return found

    def transformers(self, name: str, device: str, attention: str = forward.ATTENTION) -> Parts:
        """Every position, in the engine's dtype; then the prompts' hidden states and the effect of batching."""
        dtype = self.params.engine.dtype
        step(f"transformers on {device} in {dtype}, attention {attention}")
        with self._loaded(dtype, device, attention) as run:
            yield from forward.forward(run, self.ids, self.every)
            self.described[name] = _versions() | run.described
            self.described[name] |= {"forward_s": run.seconds, "tokens": run.tokens, "batches": run.batches}
            if self.states is not None:
                self.errors[name] = layers.measure(run, self.prompts, self.states)
            if self.prompts:
                self.batching[name] = batching.effects(run, self.prompts)

    def vllm(self, name: str, mode: Mode) -> Parts:
        """A sample of positions: full vocabularies are Python objects in vLLM, slow and large."""
        step(f"loading the {mode} engine")
        loaded = engine.get(self.params, mode)
        count = self.params.alignment.vllm_positions
        self.described[name] = {"engine": "vllm", "mode": mode, "dtype": self.params.engine.dtype}
        for text in self.texts:
            step(f"vLLM {mode}: logits of {text.id}")
            _same_tokens(name, text, loaded.tokenize(text.text)[: _longest(self.params)])
            at = sample(len(text.token_ids), count)
            yield text.id, TextLogits(np.array(at, np.int64), loaded.logits(text.token_ids, at))

    def layer_view(self) -> dict[str, Any]:
        """Where errors start, or why that is not known."""
        if NOISE_FLOOR not in self.errors:
            return {"layers": None, "layers_why": self.layers_why}
        candidates = {name: found for name, found in self.errors.items() if name != NOISE_FLOOR}
        return {"layers": layers.compare(self.errors[NOISE_FLOOR], candidates)}

    def _loaded(self, dtype: str, device: str, attention: str = forward.ATTENTION) -> Any:
        trust = self.params.model.trust_remote_code
        return forward.loaded(self.folder, dtype, device, attention, trust_remote_code=trust)


def _same_tokens(name: str, text: Text, found: Sequence[int]) -> None:
    """An engine whose tokenizer differs would answer other prompts than those compared here."""
    if tuple(found) == text.token_ids:
        return
    pairs = zip((*found, "end"), (*text.token_ids, "end"), strict=False)
    at, (theirs, ours) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    raise MeasurementError(
        f"{name}: {text.id}: the engine's tokenizer gives token {theirs} at position {at}, the reference's gives {ours}"
    )


def _longest(p: Params) -> int:
    return min(p.alignment.max_position, p.engine.max_model_len - 1)


def _versions() -> dict[str, Any]:
    return {"engine": "transformers", "transformers": version("transformers"), "torch": version("torch")}
