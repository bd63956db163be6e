"""GGUF files as ordinary model folders: transformers dequantises them, and the copy is named as such.

The conversion runs in a separate process, which gives its memory (torch, the weights in float32) back when it ends.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.hashing import file_digest
from evalpress.core.paths import CACHE, shown
from evalpress.core.plain import Json

NOTE = "gguf_source.json"
"""The file of a dequantised folder that records its source."""


def folder_of(path: Path) -> Path:
    """The dequantised copy of a GGUF file, made on first use under `.cache/models/`.

    Raises:
        UserError: as `dequantise`.
    """
    digest = file_digest(path)
    folder = CACHE / "models" / f"{path.stem}-{digest[:12]}"
    if not (folder / NOTE).is_file():
        dequantise(path, folder, digest)
    return folder


def dequantise(path: Path, folder: Path, digest: str) -> None:
    """Write a Hugging Face folder in bfloat16: weights, configuration, tokenizer, chat template, NOTE.

    Dequantised in float32 and rounded once to bfloat16. The folder appears only when it is complete.

    Args:
        path: the GGUF file.
        folder: replaced if it is there.
        digest: sha256 of the file, kept in NOTE.

    Raises:
        UserError: transformers cannot read the file, or gguf or accelerate is not installed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        note = _converted(path, work) | {"file": path.name, "sha256": digest}
        (work / NOTE).write_text(json.dumps(note, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        work.chmod(0o755)
        for written in work.iterdir():
            written.chmod(0o644)  # another user's report may read it
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    except MeasurementError as error:  # for a damaged or unknown file transformers and gguf may raise any exception
        text = " ".join(str(error).split())
        raise UserError(f"{shown(path)}: transformers cannot dequantise it: {text[:300]}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _converted(path: Path, folder: Path) -> Json:
    """`convert` in a separate process."""
    from evalpress.model.isolated import Isolated  # which is run as a program: this package's import must not load it

    with Isolated(__name__) as process:
        notes: list[Json] = list(process.stream(f"{__name__}:convert", path, folder))
    return notes[0]


def convert(path: Path, folder: Path) -> Iterator[Json]:
    """Write weights, configuration and tokenizer of a GGUF file into a folder; yields what was read from it."""
    import torch
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    transformers.utils.logging.disable_progress_bar()
    where, name = str(path.parent), path.name
    wanted = GgufConfig(gguf_file=name, dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, quantization_config=wanted, dtype=torch.float32)
    model = model.to(torch.bfloat16)
    model.config.dtype = torch.bfloat16
    for part in (model, model.config):
        for key in ("quantization_config", "hf_quantizer", "is_quantized", "quantization_method"):
            if key in vars(part):
                delattr(part, key)
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name)
    tokenizer.save_pretrained(folder)
    _portable(folder / "tokenizer_config.json")
    yield {"quantisation": _types(path), "transformers": transformers.__version__}


def _portable(path: Path) -> None:
    """Set a tokenizer class that transformers 4 has too."""
    stated = json.loads(path.read_text(encoding="utf-8"))
    stated["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(stated, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _types(path: Path) -> str:
    """The quantisation that holds most of the file's numbers, with the others: `Q4_1 (with F32, Q6_K)`."""
    from gguf import GGUFReader

    sizes: dict[str, int] = {}
    for tensor in GGUFReader(path).tensors:
        sizes[tensor.tensor_type.name] = sizes.get(tensor.tensor_type.name, 0) + int(tensor.n_elements)
    first, *others = sorted(sizes, key=lambda name: -sizes[name])
    return f"{first} (with {', '.join(sorted(others))})" if others else first
