"""What a result depends on, as digests: parameters, files, notebook code, library source, model, versions, device.

Staleness is decided by content, never by file times. A section's library source is its `section.py` and whatever
that imports, transitively, inside this package. Since `section.py` never imports tables, figures or report, a new
template or plot style leaves every measurement valid.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from evalpress import model
from evalpress import params as params_room
from evalpress.core import results
from evalpress.core.hashing import digest, file_digest
from evalpress.core.paths import NOTEBOOKS, ROOT, resolve
from evalpress.core.plain import Json
from evalpress.params.schema import Params
from evalpress.platforms import provenance
from evalpress.sections.registry import Section, parameters_read

_MEASURES = re.compile(r"\bjob\.run\(|\bsteps\.result\(")
"""The cell with which a notebook has its results."""
_LIB = ROOT / "lib"


Items = Json
"""What one part consists of: the name of an item (file, module, component) -> its digest or its value."""


def files_read(section: Section, params: Params) -> Items:
    """Digest of every file that the section's parameters name."""
    return {
        name: file_digest(resolve(name))
        for key, name in params_room.referenced_files(params)
        if key[0] in section.reads
    }


def notebook_code(notebook: Path) -> list[str]:
    """The code cells of a notebook, in order."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def notebook_cells(section: Section) -> Items:
    """Digest of each code cell up to the one that measures: prose, tables and figures may change without a new one."""
    code = notebook_code(NOTEBOOKS / f"{section.notebook}.ipynb")
    measuring = max((index for index, source in enumerate(code, 1) if _MEASURES.search(source)), default=len(code))
    return {f"code cell {index}": digest(source) for index, source in enumerate(code[:measuring], 1)}


def modules(module: str) -> Items:
    """Digest of a module's source and of every module of this package that it imports, transitively."""
    return {name: file_digest(_source(name)) for name in sorted(imports_of(module))}


def library_digest(module: str) -> str:
    """One digest of `modules`."""
    return digest(modules(module))


@cache
def imports_of(module: str) -> frozenset[str]:
    """The modules of this package reachable from `module`, itself included."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in seen and _exists(name):
            seen.add(name)
            todo += _imported(name)
    return frozenset(seen)


@cache
def _imported(module: str) -> list[str]:
    found: list[str] = []
    for node in _statements(ast.parse(_source(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in found if name.split(".")[0] == "evalpress" and name != "evalpress"]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in a module, nested ones too; no import is in an expression."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield child
            yield from _statements(child)


def _exists(module: str) -> bool:
    base = _LIB / Path(*module.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def _source(module: str) -> Path:
    base = _LIB / Path(*module.split("."))
    return base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"


def model_files(params: Params) -> Items:
    """Digest of every file of the model's folder; a hub name represents the snapshot that it resolves to."""
    return model.identity(params)


def model_digest(params: Params) -> str:
    """Digest of `model_files`."""
    return digest(model_files(params))


def engine_digest(params: Params) -> str:
    """Digest of the versions and the device that decide every measured number (`provenance.engine_facts`)."""
    return digest(provenance.engine_facts(params.platform.backend))


def parts(section: Section, params: Params) -> dict[str, Items]:
    """Everything that decides the section's numbers, by part: a difference in any of them makes results stale."""
    found: dict[str, Items] = {
        "params": parameters_read(section, params),
        "files": files_read(section, params),
        "notebook": notebook_cells(section),
        "library": modules(section.module),
        "model": model_files(params),
        "engine": provenance.engine_facts(params.platform.backend),
    }
    return found | {"tools": {name: _version(name) for name in section.tools}} if section.tools else found


def digests_of(found: dict[str, Items]) -> dict[str, str]:
    """One digest per part, as results files keep them in `provenance.digests`."""
    return {part: digest(items) for part, items in found.items()}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


_WORDS = {
    "params": "parameter {}",
    "files": "file {}",
    "notebook": "notebook, {}",
    "library": "module {}",
    "model": "model file {}",
    "engine": "{}",
    "tools": "tool {}",
}
_SHOWN = ("params", "engine", "tools")
"""Parts whose items are values that a reader can compare, not digests."""


def differences(stored: results.Document[Any], found: dict[str, Items]) -> list[str]:
    """Why stored results are not current, one line per item that differs; empty where they are current.

    Args:
        stored: a results file.
        found: `parts` as they are now.
    """
    origin = stored.provenance
    digests, items = origin.get("digests"), origin.get("inputs")
    if not isinstance(digests, dict) or not isinstance(items, dict):
        return ["the results do not say what they were measured with (older version or edited)"]
    reasons: list[str] = []
    for part, now in found.items():
        if digests.get(part) == digest(now):
            continue
        before = stored.params if part == "params" else items.get(part)
        told = _changes(part, before, now) if isinstance(before, dict) else []
        reasons += told or [f"{_WORDS[part].format('').strip(' ,')}: digest differs from the recorded one"]
    reasons += [f"{part}: no longer decides these results" for part in digests if part not in found]
    if results.is_edited(stored):
        reasons.append("data: edited after it was written")
    return reasons


def _changes(part: str, before: Items, now: Items) -> list[str]:
    old, new = (_flat(items) if part == "params" else items for items in (before, now))
    told = []
    for name in [*new, *(name for name in old if name not in new)]:
        if name in old and name in new and old[name] == new[name]:
            continue
        what = _WORDS[part].format(name)
        if name not in old or name not in new:
            told.append(f"{what}: {'new' if name not in old else 'gone'}")
        else:
            told.append(f"{what}: {old[name]!r} before, {new[name]!r} now" if part in _SHOWN else f"{what} changed")
    return told


def _flat(items: Any, path: str = "") -> Items:
    """Nested mappings as one, with dotted keys."""
    if not isinstance(items, dict) or not items:
        return {path: items}
    found: Items = {}
    for name, item in items.items():
        found |= _flat(item, f"{path}.{name}" if path else name)
    return found
