"""The table of matched version sets: what each published release was built, documented and shipped with.

`version_sets.json` has one row per release with its source and date. vLLM-Ascend: every final and candidate release
from 0.7.1rc1 to 0.26.0rc1, from its requirements, its image's Dockerfile and its release table. CUDA and CPU: the last
release of each minor version, from its wheel. `python -m evalpress.platforms.versions --check-wheel FILE` proposes a
row for a wheel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from evalpress.core.plain import Json

TABLE = Path(__file__).with_name("version_sets.json")
_NO_COMPONENT = ("backend", "engine", "source", "date")
_DEVELOPMENT = re.compile(r"^(.*)\.dev\*$")


@dataclass(frozen=True)
class VersionSet:
    """One release: `engine` is the version of vLLM (of vLLM-Ascend on Ascend).

    `allowed` has several builds per component: versions (a local part such as `+cpu` does not count), `X.dev*` for any
    development build of X, or specifiers such as `>=3.10,<3.12`.
    """

    backend: str
    engine: str
    allowed: Mapping[str, tuple[str, ...]]
    source: str
    date: str

    def expected(self, component: str) -> str:
        """The allowed builds in words."""
        return " or ".join(self.allowed[component])

    def admits(self, component: str, found: str) -> bool:
        """Whether `found` is one of the allowed builds."""
        return any(_is(found, build) for build in self.allowed.get(component, ()))


@cache
def rows(backend: str) -> tuple[VersionSet, ...]:
    """The table's rows of one backend, the oldest release first."""
    table: list[Json] = json.loads(TABLE.read_text(encoding="utf-8"))
    found = [
        VersionSet(
            backend=row["backend"],
            engine=row["engine"],
            allowed={key: tuple(value) for key, value in row.items() if key not in _NO_COMPONENT},
            source=row["source"],
            date=row["date"],
        )
        for row in table
        if row["backend"] == backend
    ]
    return tuple(sorted(found, key=lambda row: Version(row.engine)))


def parsed(text: str) -> Version | None:
    """A version, CANN's spellings (`8.2.RC1`, `8.3.RC2.alpha003`) included; None for anything else."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _is(found: str, build: str) -> bool:
    version = parsed(found)
    if version is None:
        return found.strip().lower() == build.lower()
    if development := _DEVELOPMENT.match(build):
        return version.is_devrelease and version.base_version == Version(development[1]).base_version
    specifier = build if build[0] in "<>=!~" else f"=={build}"
    return SpecifierSet(specifier).contains(version, prereleases=True)


def nearest(backend: str, engine: str) -> tuple[VersionSet | None, bool]:
    """The row of this very release and True, else the nearest row of the same minor version and False."""
    version = parsed(engine)
    if version is None:
        return None, False
    public = Version(version.public)
    for row in rows(backend):
        if Version(row.engine) == public:
            return row, True
    near = [row for row in rows(backend) if Version(row.engine).release[:2] == public.release[:2]]
    below = [row for row in near if Version(row.engine) < public]
    return ((below or near)[-1], False) if near else (None, False)


def closest(backend: str, given: Mapping[str, str]) -> VersionSet | None:
    """The row that admits most of `given`, the newest of several: for a set that does not name its engine."""
    of_this_vllm = [row for row in rows(backend) if "vllm" in given and row.admits("vllm", given["vllm"])]
    asked = of_this_vllm or rows(backend)
    counted = [(sum(row.admits(key, value) for key, value in given.items()), row) for row in asked]
    best = max((count for count, _ in counted), default=0)
    return [row for count, row in counted if count == best][-1] if best else None


def proposed(backend: str, engine: str, requires: Sequence[str], python: str | None, source: str) -> Json:
    """A row as a wheel's own metadata states it; CANN, which no metadata states, is left to be filled in by hand."""
    from packaging.requirements import InvalidRequirement, Requirement

    row: Json = {"backend": backend, "engine": engine, "python": [python] if python else []}
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        component = requirement.name.lower().replace("-", "_")
        if component not in ("torch", "torch_npu", "triton_ascend", "transformers", "numpy") or requirement.extras:
            continue
        specifier = str(requirement.specifier)
        if specifier:
            build = re.sub(r"\+\w+$", "", specifier.removeprefix("==")) if specifier.count(",") == 0 else specifier
            row.setdefault(component, [])
            row[component] += [build] if build not in row[component] else []
    return row | {"source": source}
