"""Which environment variables a package's Python code reads and sets: found in its syntax tree, nothing is run.

`python -m evalpress.launch <folder of vllm_ascend> <version>` prints what `vllm_ascend.json` records, to
update it when a newer release becomes the reference.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from evalpress.core.plain import Json
from evalpress.platforms.versions import installed_versions

RECORDED = Path(__file__).with_name("vllm_ascend.json")
"""What vllm-ascend 0.18.0rc1, the card's release, reads: recorded from its wheel on PyPI."""


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _name(node: ast.AST) -> tuple[str | None, bool]:
    """The variable that one node reads or sets, and whether it sets it."""
    if isinstance(node, ast.Subscript) and _is_environ(node.value):
        return _text(node.slice), isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        call = node.func
        if call.attr == "getenv" or (call.attr in ("get", "pop") and _is_environ(call.value)):
            return _text(node.args[0]), False
        if call.attr == "setdefault" and _is_environ(call.value):
            return _text(node.args[0]), True
    if isinstance(node, ast.Compare) and any(_is_environ(right) for right in node.comparators):
        return _text(node.left), False
    return None, False


def scan(folder: Path) -> dict[str, dict[str, list[str]]]:
    """`{"reads": {variable: [files]}, "sets": {variable: [files]}}` of the Python files under `folder`.

    Files are named relative to the folder; a file that is no Python source is passed over.
    """
    found: dict[str, dict[str, set[str]]] = {"reads": {}, "sets": {}}
    for path in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            name, sets = _name(node)
            if name:
                found["sets" if sets else "reads"].setdefault(name, set()).add(str(path.relative_to(folder)))
    return {kind: {name: sorted(files) for name, files in sorted(names.items())} for kind, names in found.items()}


@cache
def of_vllm_ascend() -> Json:
    """What the installed vllm-ascend reads and sets; the recorded release where none is installed.

    `version` and `how` say which of the two it is.
    """
    recorded: Json = json.loads(RECORDED.read_text(encoding="utf-8"))
    spec = find_spec("vllm_ascend")
    if spec is None or not spec.submodule_search_locations:
        return recorded
    folder = Path(spec.submodule_search_locations[0])
    return {"version": installed_versions()["vllm_ascend"], "how": "the installed package", **scan(folder)}


def mentions(variable: str) -> str:
    """Where vllm-ascend's code reads or sets a variable, in one phrase."""
    known = of_vllm_ascend()
    release = f"vllm-ascend {known['version']}"
    phrases = [
        f"{verb} by {release} ({', '.join(known[kind][variable])})"
        for kind, verb in (("reads", "read"), ("sets", "set"))
        if variable in known[kind]
    ]
    return "; ".join(phrases) or f"not mentioned in {release}"
