"""docs/parameters.md from the schema of a params file: every key with its type, default and meaning.

python scripts/params_docs.py            writes it
python scripts/params_docs.py --check    says whether it is current
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from evalpress.core.paths import ROOT
from evalpress.params.schema import Params
from pydantic import BaseModel
from pydantic.fields import FieldInfo

PAGE = ROOT / "docs" / "parameters.md"
_HEAD = """# Parameters

Every key that a params file may hold. Made by `make docs` from `lib/evalpress/params/schema.py`: edit there.

A file `extends:` another set (beside it, or in `params/`): mappings merge key by key, everything else is replaced.
Types are strict (`"1"` is no number), unknown keys are refused, and YAML is read as its version 1.2 says. One key can
be given beside the file: `--param engine.max_num_seqs=32`. The names of files (prompts, cases, claims, references) are
relative to the params file, then to the project.
"""
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥"}


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(_block(Params, ""))


def _block(model: type[BaseModel], prefix: str) -> list[str]:
    meanings, below = _meanings(model), []
    title = f"`{prefix.rstrip('.')}`" if prefix else "The file"
    rows = [f"\n## {title}\n\n{' '.join((inspect.getdoc(model) or '').split())}\n\n"]
    rows.append("| key | type | default | meaning |\n|---|---|---|---|\n")
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        default = "required" if field.is_required() else _default(field)
        if inner is not None:
            many = get_origin(field.annotation) is dict
            below += _block(inner, f"{prefix}{name}.{'<name>.' if many else ''}")
            default = "see below" if default.startswith("{") or "(" in default else default
        meaning = " ".join(meanings.get(name, "").split()).replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | {_type(field)} | {default} | {meaning} |\n")
    return ["".join(rows), *below]


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """The docstring below each field in the source."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    found: dict[str, str] = {}
    body = getattr(node, "body", [])
    for field, text in zip(body, body[1:], strict=False):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = str(text.value.value)
    return found


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "{}"
    shown = {None: "null", True: "true", False: "false"}.get(value) if value is None or type(value) is bool else None
    return f"`{shown or (list(value) if isinstance(value, tuple) else value)!s}`" if value != "" else "empty"


def _type(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(part, name)}"
        for part in field.metadata
        for name, sign in _BOUNDS.items()
        if hasattr(part, name)
    ]
    return _words(field.annotation) + (f" ({', '.join(bounds)})" if bounds else "")


def _words(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    simple = {int: "whole number", float: "number", str: "text", bool: "true or false", NoneType: "null", Any: "any"}
    if annotation in simple:
        return simple[annotation]
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_words(part) for part in parts)
    if origin is tuple:
        return f"list of {_words(parts[0])}"
    if origin is dict:
        return f"mapping of {_words(parts[0])} to {_words(parts[1])}"
    if hasattr(annotation, "__metadata__"):
        bounds = [
            f"{s} {getattr(c, n)}"
            for m in annotation.__metadata__
            for c in (m, *getattr(m, "metadata", ()))
            for n, s in _BOUNDS.items()
            if hasattr(c, n)
        ]
        return _words(parts[0]) + (f" {' '.join(bounds)}" if bounds else "")
    return "mapping" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else str(annotation)


def main() -> int:
    """Write the page, or say whether it is current."""
    text = page()
    if "--check" in sys.argv:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print(f"{PAGE.relative_to(ROOT)}: {'current' if current else 'not current: run make docs'}")
        return 0 if current else 1
    Path(PAGE).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
