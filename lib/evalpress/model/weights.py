"""What the weight files hold, read from the headers of the safetensors files: no tensor is loaded."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.paths import shown
from evalpress.model.config import Configuration
from evalpress.model.counting import Counted, routed

_INDEX = "model.safetensors.index.json"
_BITS = {"BOOL": 8, "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8}
_NO_PARAMETERS = re.compile(
    r"(inv_freq|masked_bias|rotary_emb\..*|qzeros|scales|g_idx|_scale|_scale_inv|_scale_2|zero_point|weight_shape)$"
)
"""Buffers that checkpoints carry along and what quantised weights need beside their numbers."""
_PACKED = re.compile(r"\.(qweight|weight_packed|blocks)$|_blocks$")


@dataclass(frozen=True)
class Tensor:
    """One stored tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """Stored numbers, whatever each of them packs."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """Bits of one stored number."""
        known = _BITS.get(self.dtype)
        return known if known else next((int(size) for size in re.findall(r"\d+", self.dtype)[:1]), 8)


@dataclass(frozen=True)
class Stored:
    """What is in the files: the tensors that hold parameters (a tied copy left out), and the bytes of all."""

    tensors: dict[str, Tensor]
    bytes: int

    @property
    def numbers(self) -> int:
        """Stored numbers of `tensors`; a packed tensor's numbers each hold several parameters."""
        return sum(tensor.numbers for tensor in self.tensors.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """Stored numbers by dtype."""
        found: Counter[str] = Counter()
        for tensor in self.tensors.values():
            found[tensor.dtype] += tensor.numbers
        return dict(found)


def files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model: those of its index, else model.safetensors, else all.

    Raises:
        UserError: the index is no safetensors index.
    """
    index = folder / _INDEX
    if index.is_file():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return [folder / name for name in sorted(names)]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise UserError(f"{shown(index)}: not a safetensors index: {error!r}") from None
    single = folder / "model.safetensors"
    return [single] if single.is_file() else sorted(folder.glob("*.safetensors"))


def header(path: Path) -> dict[str, Tensor]:
    """Tensor name -> dtype and shape of one file.

    Raises:
        UserError: the file is missing, is no safetensors file, or ends before its header says.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise UserError(f"{shown(path)}: not found, although the index names it")
    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return {name: Tensor(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (SafetensorError, OSError, ValueError) as error:
        text = " ".join(str(error).split())
        hint = "; incomplete: fetch it again" if "incomplete" in text.lower() or "not fully covered" in text else ""
        raise UserError(f"{shown(path)}: not a safetensors file: {text}{hint}") from None


def stored(folder: Path, tied: bool) -> Stored | None:
    """The folder's weights, None where it has no safetensors files.

    Where the embedding is tied, a copy stored as `lm_head.weight` is left out; so are buffers (rotary
    frequencies, attention masks) and the scales of quantised weights.
    """
    paths = files(folder)
    if not paths:
        return None
    tensors = {name: tensor for path in paths for name, tensor in header(path).items()}
    table = any(re.search(r"(embed_tokens|wte|word_embeddings|embed_in|embeddings)\.weight$", name) for name in tensors)
    held = {
        name: tensor
        for name, tensor in tensors.items()
        if not _NO_PARAMETERS.search(name)
        and not (tied and table and name == "lm_head.weight")
        and not (name.endswith((".attn.bias", ".attention.bias")) and len(tensor.shape) == 4)
    }
    return Stored(held, sum(tensor.numbers * tensor.bits // 8 for tensor in tensors.values()))


def counted(found: Stored, configuration: Configuration) -> Counted:
    """Parameters by the stored tensors, for an architecture that transformers cannot build."""
    bits = _packed_bits(configuration)
    sizes = {
        name: tensor.numbers * tensor.bits // bits if _PACKED.search(name) else tensor.numbers
        for name, tensor in found.tensors.items()
    }
    shapes = {name: tensor.shape for name, tensor in found.tensors.items()}
    width = configuration.whole("word_embed_proj_dim") or configuration.whole("hidden_size") or 0
    table = (configuration.whole("vocab_size") or 0) * width
    tied = bool(configuration.get("tie_word_embeddings"))
    return Counted(
        parameters=sum(sizes.values()),
        embedding=table,
        head=0 if tied else table,
        tied=tied,
        tables=0,
        experts=routed(shapes, sizes),
        reused=False,
    )


def _packed_bits(configuration: Configuration) -> int:
    """Bits of one packed parameter; 4 where the configuration does not tell."""
    stated = configuration.stated.get("quantization_config")
    bits = stated.get("bits") or stated.get("w_bit") if isinstance(stated, dict) else None
    return bits if isinstance(bits, int) and bits > 0 else 4
