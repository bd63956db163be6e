"""Reference logits in a file: computed on one machine, compared on another one.

The file is safetensors (https://github.com/huggingface/safetensors#format) and can be opened by any of
its readers. For each text it holds `<id>.logits`, float32 [positions, vocabulary], and `<id>.positions`,
int64. The header's `__metadata__` says what the logits are of: `format`, `model`, `tokenizer` and
`prompts` (sha256 digests that must match before anything is compared), and `origin` (JSON: dtype, device,
versions).

Writing and reading both work through the page cache: no tensor is ever held in memory as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.paths import shown
from evalpress.core.plain import Json
from evalpress.model.forward import TextLogits

FORMAT = "evalpress-logits/1"
_NUMPY = {"F32": np.float32, "I64": np.int64}


@dataclass(frozen=True)
class Identity:
    """What logits are of: sha256 digests of the model's config and weights, its tokenizer files, the
    texts."""

    model: str
    tokenizer: str
    prompts: str


def save(
    path: Path,
    identity: Identity,
    origin: Mapping[str, Any],
    positions: Mapping[str, Iterable[int]],
    vocabulary: int,
    parts: Iterable[tuple[str, TextLogits]],
) -> None:
    """Write the logits of `parts`, which may come in any order and text by text in several parts.

    The file appears under its name only when it is complete.

    Raises:
        MeasurementError: `parts` does not hold each announced position once.
    """
    wanted = {name: np.asarray(list(at), np.int64) for name, at in positions.items()}
    header, size = _layout({name: len(at) for name, at in wanted.items()}, vocabulary)
    metadata = {"format": FORMAT, **asdict(identity), "origin": json.dumps(dict(origin), sort_keys=True)}
    head = json.dumps({"__metadata__": metadata, **header}).encode()
    head += b" " * (-len(head) % 8)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            file.truncate(8 + len(head) + size)
        tensors = _mapped(partial, header, 8 + len(head), "r+")
        missing = {name: set(at.tolist()) for name, at in wanted.items()}
        for name, part in parts:
            if not missing[name].issuperset(part.positions.tolist()):
                raise MeasurementError(f"{shown(path)}: {name}: found a position twice or unannounced")
            missing[name].difference_update(part.positions.tolist())
            tensors[f"{name}.logits"][np.searchsorted(wanted[name], part.positions)] = part.values
        if any(missing.values()):
            name = next(name for name, left in missing.items() if left)
            raise MeasurementError(f"{shown(path)}: {name}: found no logits of position {min(missing[name])}")
        for name, at in wanted.items():
            tensors[f"{name}.positions"][:] = at
        for tensor in tensors.values():
            tensor.flush()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, identity: Identity) -> tuple[dict[str, TextLogits], Json]:
    """The logits, memory-mapped, and their origin.

    Raises:
        UserError: no such file, not of this format, incomplete, or of another model, tokenizer or set of
        texts.
    """
    name = shown(path)
    header, start = _read_header(path)
    metadata = header.pop("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise UserError(f"{name}: format: found {metadata.get('format')!r}, allowed {FORMAT!r}")
    for key, expected in asdict(identity).items():
        if metadata.get(key) != expected:
            found = str(metadata.get(key))[:12]
            raise UserError(
                f"{name}: these logits are of another {key}: found sha256 {found}…, allowed {expected[:12]}…"
            )
    tensors = _mapped(path, header, start, "r")
    texts = [key.removesuffix(".logits") for key in tensors if key.endswith(".logits")]
    logits = {text: TextLogits(np.array(tensors[f"{text}.positions"]), tensors[f"{text}.logits"]) for text in texts}
    return logits, json.loads(metadata["origin"])


def _layout(counts: Mapping[str, int], vocabulary: int) -> tuple[Json, int]:
    """The header's entries and the number of data bytes."""
    header: Json = {}
    at = 0
    for name, count in counts.items():
        for suffix, dtype, shape in (("positions", "I64", [count]), ("logits", "F32", [count, vocabulary])):
            end = at + int(np.prod(shape)) * np.dtype(_NUMPY[dtype]).itemsize
            header[f"{name}.{suffix}"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
            at = end
    return header, at


def _mapped(path: Path, header: Json, start: int, mode: Literal["r", "r+"]) -> dict[str, np.memmap[Any, Any]]:
    return {
        name: np.memmap(path, _NUMPY[entry["dtype"]], mode, start + entry["data_offsets"][0], tuple(entry["shape"]))
        for name, entry in header.items()
    }


def _read_header(path: Path) -> tuple[Json, int]:
    """The JSON header and where the data begin."""
    name = shown(path)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= path.stat().st_size - 8:
                raise UserError(f"{name}: no safetensors file of reference logits")
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{name}: no safetensors file of reference logits") from None
    if path.stat().st_size != 8 + length + max(ends, default=0):
        raise UserError(f"{name}: found {path.stat().st_size} bytes, allowed {8 + length + max(ends, default=0)}")
    return header, 8 + length
