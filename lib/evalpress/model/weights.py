"""What the weight files hold, read from their headers: no tensor is loaded.

A safetensors file begins with the length N of its header (8 bytes, little endian), then N bytes of JSON that
give each tensor's dtype, shape and place (https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import shown

_INDEX = "model.safetensors.index.json"
_LONGEST_HEADER = 100 * 10**6
"""The format's own limit, which keeps a damaged file from asking for all memory."""


@dataclass(frozen=True)
class Stored:
    """What lies in the files: numbers per parameter (a tied tensor once), bytes, parameters by stored dtype."""

    sizes: dict[str, int]
    bytes: int
    dtypes: dict[str, int]

    @property
    def parameters(self) -> int:
        """All numbers together."""
        return sum(self.sizes.values())


def files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model: those of its index, else model.safetensors, else all."""
    index = folder / _INDEX
    if index.is_file():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise UserError(f"{shown(index)}: not a safetensors index: {error!r}") from None
        return [folder / name for name in sorted(names)]
    single = folder / "model.safetensors"
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def header(path: Path) -> dict[str, Any]:
    """Tensor name -> {dtype, shape, data_offsets} of one file.

    Raises:
        UserError: the file is missing, is no safetensors file, or ends before its header says.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= _LONGEST_HEADER:
                raise ValueError(f"a header of {length} bytes")
            tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        expected = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except FileNotFoundError:
        raise UserError(f"{shown(path)}: not found, although the index names it") from None
    except (ValueError, KeyError, AttributeError, TypeError, OSError) as error:
        raise UserError(f"{shown(path)}: not a safetensors file: {error}") from None
    if (size := path.stat().st_size) < expected:
        raise UserError(f"{shown(path)}: incomplete: {size} of {expected} bytes; fetch it again")
    return tensors


def stored(folder: Path, tied: bool) -> Stored | None:
    """Parameters and bytes of the folder's weights, None where it has no safetensors files.

    Where the embedding is tied, a copy stored as `lm_head.weight` is not counted again; buffers that old
    checkpoints carry along (`inv_freq`) are no parameters.
    """
    paths = files(folder)
    if not paths:
        return None
    tensors = {name: tensor for path in paths for name, tensor in header(path).items()}
    copy = "lm_head.weight" if tied and any(name.endswith("embed_tokens.weight") for name in tensors) else ""
    counted = {n: t for n, t in tensors.items() if n != copy and not n.endswith("inv_freq")}
    sizes = {name: math.prod(tensor["shape"]) for name, tensor in counted.items()}
    dtypes: Counter[str] = Counter()
    for name, tensor in counted.items():
        dtypes[tensor["dtype"]] += sizes[name]
    total = sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for tensor in tensors.values())
    return Stored(sizes, total, dict(dtypes))
