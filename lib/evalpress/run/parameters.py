"""The parameters cell of a notebook, read with Python's own parser.

papermill only warns of an unknown parameter and misreads annotated defaults; a misspelt name would silently leave the
default in force.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import shown
from evalpress.core.plain import Json

TAG = "parameters"


def check(notebook: Path, given: Mapping[str, Any]) -> None:
    """Compare parameters with those that the notebook declares.

    Raises:
        UserError: no such notebook, no parameters cell, an unknown parameter, a value of another type than the default.
    """
    known = defaults(notebook)
    for name, value in given.items():
        if name not in known:
            raise UserError(f"{shown(notebook)}: parameter {name!r}: unknown, allowed {', '.join(known)}")
        default = known[name]
        if not _fits(value, default):
            raise UserError(
                f"{shown(notebook)}: parameter {name!r}: found {value!r} ({type(value).__name__}), "
                f"allowed {type(default).__name__} (its default is {default!r})"
            )


def defaults(notebook: Path) -> Json:
    """Names and default values that the cell tagged `parameters` assigns; only literals are allowed there."""
    cells = [cell for cell in _cells(notebook) if TAG in cell.get("metadata", {}).get("tags", [])]
    if len(cells) != 1:
        raise UserError(f"{shown(notebook)}: found {len(cells)} cells tagged {TAG!r}, allowed 1")
    try:
        return dict(_assignment(node) for node in ast.parse("".join(cells[0]["source"])).body)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{shown(notebook)}: parameters cell: only `name = literal` is allowed: {error}") from None


def _cells(notebook: Path) -> list[Json]:
    try:
        return list(json.loads(notebook.read_text(encoding="utf-8"))["cells"])
    except FileNotFoundError:
        raise UserError(f"{shown(notebook)}: file not found") from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{shown(notebook)}: not a notebook: {error}") from None


def _assignment(node: ast.stmt) -> tuple[str, Any]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        raise ValueError(f"line {node.lineno} is none")
    if not isinstance(target, ast.Name):
        raise ValueError(f"line {node.lineno} assigns to no plain name")
    return target.id, ast.literal_eval(value)


def _fits(value: Any, default: Any) -> bool:
    if default is None or type(value) is type(default):
        return True
    return isinstance(default, float) and type(value) is int
