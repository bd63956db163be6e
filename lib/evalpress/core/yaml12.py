"""YAML as people read it: the core schema of YAML 1.2, with the line of every key.

PyYAML follows YAML 1.1, where `1e-5` is text, `on` is true, `0123` is 83 and `12:30` is 750. Here the
scalars are those of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema), duplicate keys
are refused, and each key's line is kept so that a message can point at it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from evalpress.core.errors import UserError
from evalpress.core.paths import shown

KeyPath = tuple[str | int, ...]

_SCALARS = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2 only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


def _text(node: yaml.Node) -> str:
    return str(node.value)


for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(_text(node)))
_Loader.add_constructor(
    "tag:yaml.org,2002:float",
    lambda loader, node: float(_text(node).lower().replace(".inf", "inf").replace(".nan", "nan")),
)


def _walk(loader: _Loader, node: yaml.Node, at: KeyPath, marks: dict[KeyPath, int], name: str) -> Any:
    marks.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(loader.construct_object(key_node))
            line = key_node.start_mark.line + 1
            if key in found:
                raise UserError(
                    f"{name}:{line}: key {key!r} stands twice in the same mapping (first at line {marks[(*at, key)]})"
                )
            marks[(*at, key)] = line
            found[key] = _walk(loader, value_node, (*at, key), marks, name)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_walk(loader, item, (*at, index), marks, name) for index, item in enumerate(node.value)]
    return loader.construct_object(node)


def load_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """The content of a YAML file and the 1-based line of every key path in it.

    Raises:
        UserError: the file is missing, unreadable, not YAML, or has a duplicate key.
    """
    name = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{name}: file not found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: cannot be read as UTF-8 text: {error}") from None
    loader = _Loader(text)
    marks: dict[KeyPath, int] = {}
    try:
        node = loader.get_single_node()
        return (None if node is None else _walk(loader, node, (), marks, name)), marks
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{name}{line}: not valid YAML: {problem}") from None
    finally:
        loader.dispose()
