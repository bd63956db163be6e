"""From the set's name of a model (folder, hub name, ModelScope name) to a folder on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from evalpress.core import hashing, paths
from evalpress.core.errors import UserError
from evalpress.model import gguf, recipes
from evalpress.params.schema import ModelParams, Params

_PATTERNS = ["*.json", "*.txt", "*.model", "*.jinja"]
_WEIGHTS = ["*.safetensors"]
_SKIPPED = (".git", ".cache", "__pycache__", ".locks")
"""Folders inside a model's folder that do not change what the model is."""


class _NotThereError(Exception):
    """A hub does not have the model, or cannot be reached; the message is a few words."""


def _patterns(model: ModelParams) -> tuple[list[str], list[str]]:
    """What to fetch and what not: no weights where the set draws random ones, code only where trusted."""
    wanted = _PATTERNS + (["*.py"] if model.trust_remote_code else [])
    return (wanted, ["*.index.json"]) if model.weights == "random" else (wanted + _WEIGHTS, [])


def _huggingface(model: ModelParams) -> str:
    from huggingface_hub import errors, snapshot_download

    wanted, ignored = _patterns(model)
    try:
        return snapshot_download(model.path, revision=model.revision, allow_patterns=wanted, ignore_patterns=ignored)
    except errors.HFValidationError:
        raise _NotThereError("not the form of a name there") from None
    except errors.GatedRepoError:
        raise _NotThereError("gated: accept its terms there and log in") from None
    except errors.RepositoryNotFoundError:
        raise _NotThereError("no such model there, or no access to it") from None
    except errors.RevisionNotFoundError:
        raise _NotThereError(f"no revision {model.revision!r} there") from None
    except errors.LocalEntryNotFoundError:
        raise _NotThereError("not in its cache on this machine, and not reachable") from None
    except (errors.HfHubHTTPError, OSError) as error:
        raise _NotThereError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None


def _modelscope(model: ModelParams, *, cached: bool = False) -> str:
    """The folder of a model from ModelScope; with `cached` only where it is on this machine already."""
    try:
        from modelscope import snapshot_download
    except ImportError:
        raise _NotThereError("package modelscope not installed") from None
    try:
        return str(snapshot_download(model.path, revision=model.revision, local_files_only=cached))
    except Exception as error:  # modelscope raises the exceptions of its back ends
        raise _NotThereError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None


_HUBS: dict[str, Callable[[ModelParams], str]] = {"huggingface": _huggingface, "modelscope": _modelscope}


@lru_cache(maxsize=8)
def _fetched(model: ModelParams) -> Path:
    """The folder of a model from its hub; requested once per process.

    With `source: auto` Hugging Face is asked first, then ModelScope where its package is installed, as it is in the
    vllm-ascend images.
    """
    auto = model.source == "auto"
    tried = []
    for name in ("huggingface", *(("modelscope",) if _has_modelscope() else ())) if auto else (model.source,):
        try:
            return Path(_HUBS[name](model))
        except _NotThereError as reason:
            tried.append(f"{name}: {reason}")
    hint = "" if not auto or _has_modelscope() else "; ModelScope needs the package modelscope"
    neither = "neither a folder nor" if auto else "not"
    raise _NotThereError(f"{neither} reachable on the hub ({'; '.join(tried)}){hint}")


def _has_modelscope() -> bool:
    return importlib.util.find_spec("modelscope") is not None


def is_from_modelscope(params: Params) -> bool:
    """Whether vLLM has to look for the model on ModelScope. Uses no network.

    With `source: auto` so where Hugging Face's cache on this machine does not have it and ModelScope's does.
    """
    model = params.model
    if model.source != "auto":
        return model.source == "modelscope"
    if model.recipe is not None or not _has_modelscope() or local(params) is not None or snapshot(model) is not None:
        return False
    try:
        return bool(_modelscope(model, cached=True))
    except _NotThereError:
        return False


def places(params: Params) -> list[Path]:
    """Where `model.path` may be on this machine: beside the file that states it, then in the project."""
    stated = params.place("model.path")
    beside = stated.file.resolve().parent if stated and stated.file else None
    here = paths.expanded(params.model.path)
    return list(dict.fromkeys(folder / here for folder in (beside, paths.ROOT) if folder is not None))


def local(params: Params) -> Path | None:
    """The set's model where it is a folder or a GGUF file on this machine; None for a name of a hub."""
    if params.model.source not in ("auto", "folder"):
        return None
    return next((path for path in places(params) if path.is_dir() or (path.suffix == ".gguf" and path.is_file())), None)


def resolve(params: Params) -> Path:
    """The folder that holds the set's model: made by its recipe, dequantised, or fetched from a hub where need be.

    Raises:
        UserError: it is nowhere, in one line that says where it was looked for.
    """
    model, where = params.model, params.where("model.path")
    found = local(params)
    if model.recipe is not None and (found is None or not recipes.is_made(model.recipe)):
        found = recipes.folder_of(model.recipe) if recipes.is_made(model.recipe) else recipes.make(model.recipe)
    if found is not None and found.suffix == ".gguf" and found.is_file():
        return gguf.folder_of(found)
    if found is not None:
        if not (found / "config.json").is_file():
            raise UserError(f"{where}: folder {model.path!r} has no config.json ({paths.told(found)})")
        return found
    looked = " and ".join(str(path) for path in places(params))
    if model.source == "folder":
        raise UserError(f"{where}: folder {model.path!r} not found (looked for {looked})")
    try:
        return _fetched(model)
    except _NotThereError as tried:
        raise UserError(f"{where}: {model.path!r} not found: {tried} (looked for {looked})") from None


def files(folder: Path) -> list[Path]:
    """Every file that can change what the model is, in subfolders too: all but hidden folders' and caches'."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    inside = ((path, path.relative_to(folder).parts) for path in found)
    return sorted(path for path, parts in inside if not any(p in _SKIPPED or p.startswith(".") for p in parts))


def identity(params: Params) -> dict[str, str | None]:
    """What the set's model is, by name: sha256 of each of the folder's `files`, or of the GGUF file.

    A hub name has the snapshot that it resolves to in this machine's cache, and the revision asked for.
    """
    model = params.model
    found = local(params)
    if model.recipe is not None and found is None:
        return {"recipe": model.recipe}
    if found is not None and found.is_file():
        return {found.name: hashing.file_digest(found)}
    if found is not None:
        return {name: row["sha256"] for name, row in folder_digest(found)["files"].items()}
    return {model.path: model.revision, "snapshot": snapshot(model)}


class FileDigest(TypedDict):
    """One file of a model."""

    bytes: int
    sha256: str


class FolderDigest(TypedDict):
    """A model's files by path inside the folder, and one digest over them all."""

    sha256: str
    files: dict[str, FileDigest]


def folder_digest(folder: Path) -> FolderDigest:
    """sha256 of each of the folder's `files` (read as a stream) by its path inside, and one over them all."""
    rows: dict[str, FileDigest] = {
        str(path.relative_to(folder)): {"bytes": path.stat().st_size, "sha256": _file_digest(path, *_changed(path))}
        for path in files(folder)
    }
    return {"sha256": hashing.digest({name: row["sha256"] for name, row in rows.items()}), "files": rows}


def _changed(path: Path) -> tuple[int, int, int]:
    """State by which one process recognises that a file has changed: time, size, inode."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=4096)
def _file_digest(path: Path, *changed: int) -> str:
    return hashing.file_digest(path)


def snapshot(model: ModelParams) -> str | None:
    """The commit that a hub name represents in this machine's cache; None where it is not there. Uses no network."""
    if model.source == "modelscope":
        return None
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(model.path, revision=model.revision, local_files_only=True)
    except Exception:  # not in the cache, or not a name: whatever the library raises for it
        return None
    return Path(found).name
