"""From what a set calls its model (folder, hub name, ModelScope name) to a folder on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from evalpress.core import paths
from evalpress.core.errors import UserError
from evalpress.params.schema import ModelParams, Params

_PATTERNS = ["*.json", "*.txt", "*.model", "*.jinja"]
_WEIGHTS = ["*.safetensors"]


class _NotThereError(Exception):
    """A hub does not have the model, or cannot be reached; the message is a few words."""


def where(params: Params, key: str) -> str:
    """File and key for a message about a parameter."""
    return f"params/{params.set}.yaml: {key}"


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


def _modelscope(model: ModelParams) -> str:
    try:
        from modelscope import snapshot_download
    except ImportError:
        raise _NotThereError("package modelscope not installed") from None
    try:
        return str(snapshot_download(model.path, revision=model.revision))
    except Exception as error:  # modelscope raises what its many back ends raise
        raise _NotThereError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None


_HUBS: dict[str, Callable[[ModelParams], str]] = {"huggingface": _huggingface, "modelscope": _modelscope}


@lru_cache(maxsize=8)
def _fetched(model: ModelParams) -> Path:
    """The folder of a model from its hub; asked once per process."""
    name = "huggingface" if model.source == "auto" else model.source
    try:
        return Path(_HUBS[name](model))
    except _NotThereError as reason:
        hint = "; for a ModelScope name set model.source: modelscope" if model.source == "auto" else ""
        neither = "neither a folder nor" if model.source == "auto" else "not"
        raise _NotThereError(f"{neither} reachable on the hub ({name}: {reason}){hint}") from None


def resolve(params: Params) -> Path:
    """The folder that holds the set's model, fetched from a hub where it is not a folder.

    Raises:
        UserError: it is nowhere, in one line that says what was tried.
    """
    model = params.model
    folder = paths.resolve(model.path)
    if model.source in ("auto", "folder") and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{where(params, 'model.path')}: folder {model.path!r} has no config.json")
        return folder
    if model.source == "folder":
        raise UserError(f"{where(params, 'model.path')}: folder {model.path!r} not found")
    try:
        return _fetched(model)
    except _NotThereError as tried:
        raise UserError(f"{where(params, 'model.path')}: {model.path!r} not found: {tried}") from None
