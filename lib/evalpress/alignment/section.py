"""The alignment section: reference, noise floor and candidates computed and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from evalpress import engine, fingerprint, model, prompts
from evalpress.alignment import reference, store
from evalpress.alignment.comparison import NOISE_FLOOR, Parts, Text, compare
from evalpress.alignment.reference import TextLogits
from evalpress.errors import MeasurementError, UserError
from evalpress.job import Job
from evalpress.params.schema import Mode, Params
from evalpress.paths import resolve, shown
from evalpress.progress import step

Positions = dict[str, list[int]]
_DEVICES = {"cuda": "cuda", "ascend": "npu"}
_TOKENIZER_FILES = ("tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece")


def measure(job: Job) -> dict[str, Any]:
    """All legs of the set's texts; the record of every position goes to `results/raw`."""
    p = job.params
    folder = model.resolve(p)
    tokenizer = _tokenizer(p, folder)
    texts = tokenised(p, tokenizer)
    every = {text.id: list(range(len(text.token_ids))) for text in texts}
    described: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="evalpress-logits-") as scratch:
        saved = _stored(p, texts) or save_reference(p, Path(scratch) / "reference.safetensors")
        logits, described["reference"] = store.load(saved, identity(p, texts))
        missing = [text.id for text in texts if text.id not in logits]
        if missing:
            raise UserError(f"{shown(saved)}: found no logits of {missing[0]}")
        floor = _transformers(p, folder, p.engine.dtype, "cpu", texts, every, described.setdefault(NOISE_FLOOR, {}))
        outcome = compare(logits, floor, _candidates(p, folder, texts, described), texts, _shower(tokenizer), described)
    return outcome.data | {"raw": job.raw("positions", outcome.raw)}


def save_reference(p: Params, path: Path) -> Path:
    """Compute the set's reference logits (transformers, CPU, float32) and write them to `path`."""
    folder = model.resolve(p)
    texts = tokenised(p, _tokenizer(p, folder))
    every = {text.id: list(range(len(text.token_ids))) for text in texts}
    step("reference: transformers on CPU in float32")
    with reference.loaded(folder, "float32", "cpu", trust_remote_code=p.model.trust_remote_code) as run:
        vocabulary = run.model.config.get_text_config().vocab_size
        origin = _versions() | run.described
        parts = reference.forward(run, _ids(texts), every)
        store.save(path, identity(p, texts), origin, every, vocabulary, parts)
    return path


def tokenised(p: Params, tokenizer: Any) -> list[Text]:
    """The set's texts as token ids, special tokens as the tokenizer adds them, cut to the longest allowed."""
    longest = min(p.alignment.max_position, p.engine.max_model_len - 1)
    found = []
    for prompt in prompts.load(p.alignment.prompts):
        ids = tuple(tokenizer.encode(prompt.text)[:longest])
        if not ids:
            raise UserError(f"alignment.prompts: {prompt.id}: found a text without tokens, allowed at least one")
        found.append(Text(prompt.id, prompt.text, prompt.kind, prompt.language, ids))
    return found


def identity(p: Params, texts: Sequence[Text]) -> store.Identity:
    """Digests of what logits are of: config and weights, tokenizer files, texts with their token ids."""
    files = {name: row["sha256"] for name, row in model.digest(model.resolve(p))["files"].items()}
    tokens = {name: sha for name, sha in files.items() if name.startswith(_TOKENIZER_FILES)}
    weights = {n: sha for n, sha in files.items() if n == "config.json" or n.endswith((".safetensors", ".bin", ".py"))}
    return store.Identity(
        model=fingerprint.digest(weights),
        tokenizer=fingerprint.digest(tokens),
        prompts=fingerprint.digest([[text.id, text.text, list(text.token_ids)] for text in texts]),
    )


def sample(length: int, count: int) -> list[int]:
    """At most `count` positions of a text, evenly spaced, the first and the last among them."""
    return sorted({round(at) for at in np.linspace(length - 1, 0, min(count, length)).tolist()})


def _stored(p: Params, texts: Sequence[Text]) -> Path | None:
    """The set's file of reference logits, if it names one."""
    if p.alignment.reference_logits is None:
        return None
    step("reference: logits from a file")
    return resolve(p.alignment.reference_logits)


def _candidates(
    p: Params, folder: Path, texts: Sequence[Text], described: dict[str, dict[str, Any]]
) -> Mapping[str, Parts]:
    """Name -> stream of logits, computed only when it is read."""
    found: dict[str, Parts] = {}
    device = _DEVICES.get(p.platform.backend)
    if device:
        name = f"transformers_{device}"
        every = {text.id: list(range(len(text.token_ids))) for text in texts}
        found[name] = _transformers(p, folder, p.engine.dtype, device, texts, every, described.setdefault(name, {}))
    for mode in p.engine.modes:
        name = f"vllm_{mode}"
        found[name] = _vllm(p, mode, texts, described.setdefault(name, {}))
    return found


def _transformers(
    p: Params,
    folder: Path,
    dtype: str,
    device: str,
    texts: Sequence[Text],
    positions: Positions,
    described: dict[str, Any],
) -> Parts:
    step(f"transformers on {device} in {dtype}")
    with reference.loaded(folder, dtype, device, trust_remote_code=p.model.trust_remote_code) as run:
        yield from reference.forward(run, _ids(texts), positions)
        described |= _versions() | run.described
        described |= {"forward_s": run.seconds, "tokens": run.tokens, "batches": run.batches}


def _vllm(p: Params, mode: Mode, texts: Sequence[Text], described: dict[str, Any]) -> Parts:
    """vLLM's logits of a sample of positions: full vocabularies are Python objects there, slow and large."""
    step(f"loading the {mode} engine")
    loaded = engine.get(p, mode)
    described |= {
        "engine": "vllm",
        "mode": mode,
        "dtype": p.engine.dtype,
        "positions_per_text": p.alignment.vllm_positions,
    }
    for text in texts:
        step(f"vLLM {mode}: logits of {text.id}")
        at = sample(len(text.token_ids), p.alignment.vllm_positions)
        yield text.id, TextLogits(np.array(at, np.int64), loaded.logits(text.token_ids, at))


def _tokenizer(p: Params, folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=p.model.trust_remote_code)
    except (OSError, ValueError, ImportError) as error:
        raise MeasurementError(f"{shown(folder)}: tokenizer cannot be loaded: {str(error).splitlines()[0]}") from None


def _shower(tokenizer: Any) -> Any:
    return lambda token: str(tokenizer.decode([token]))


def _ids(texts: Sequence[Text]) -> dict[str, tuple[int, ...]]:
    return {text.id: text.token_ids for text in texts}


def _versions() -> dict[str, Any]:
    return {"engine": "transformers", "transformers": version("transformers"), "torch": version("torch")}
