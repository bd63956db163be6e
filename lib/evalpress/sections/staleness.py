"""What a result depends on, as digests: parameters, files, notebook code, library source, model.

Staleness is decided by content, never by file times. A section's library source is its room and whatever
that imports, transitively, inside this package; since measuring rooms never import the looks (tables,
figures, report), a new template or plot style leaves every measurement valid.
"""

from __future__ import annotations

import ast
import importlib.metadata
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from evalpress import params as params_room
from evalpress.core.hashing import digest, file_digest
from evalpress.core.paths import NOTEBOOKS, ROOT, resolve
from evalpress.params.schema import Params
from evalpress.sections.registry import Section, parameters_read

_LIB = ROOT / "lib"


def params_digest(section: Section, params: Params) -> str:
    """Digest of the parameters a section reads and of the content of every file they name."""
    read = parameters_read(section, params)
    files = {
        ".".join(map(str, key)): file_digest(resolve(name))
        for key, name in params_room.referenced_files(params)
        if key[0] in section.reads
    }
    return digest({"params": read, "files": files})


def notebook_code(notebook: Path) -> list[str]:
    """The code cells of a notebook, in order."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def notebook_digest(section: Section) -> str:
    """Digest of the notebook's code cells: prose may change without a new measurement."""
    return digest(notebook_code(NOTEBOOKS / f"{section.notebook}.ipynb"))


def library_digest(module: str) -> str:
    """Digest of a module's source and of all modules of this package that it imports, transitively."""
    return digest({name: file_digest(_source(name)) for name in sorted(imports_of(module))})


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
    """All statements in a module, nested ones too; no import stands in an expression."""
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


def model_digest(params: Params) -> str:
    """Digest of a model folder's config, tokenizer and weight files; a hub name stands for itself and its revision."""
    folder = resolve(params.model.path)
    if not folder.is_dir():
        return digest([params.model.path, params.model.revision])
    files = sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".txt", ".model", ".jinja"))
    return digest({path.name: file_digest(path) for path in files})


def section_digests(section: Section, params: Params) -> dict[str, str]:
    """All digests that decide whether a stored result of the section is current."""
    found = {
        "params": params_digest(section, params),
        "notebook": notebook_digest(section),
        "library": library_digest(section.module),
        "model": model_digest(params),
    }
    return found | {"tools": tools_digest(section.tools)} if section.tools else found


def tools_digest(tools: tuple[str, ...]) -> str:
    """Digest of the installed versions of optional tools; one that is not installed counts too."""
    return digest({name: _version(name) for name in tools})


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
