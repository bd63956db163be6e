"""YAML with the core schema of version 1.2, and the line of every key.

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
from evalpress.core.paths import told
from evalpress.core.plain import Json

KeyPath = tuple[str | int, ...]

_SCALARS = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+0123456789."),
    ),
)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2 only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


class _FastLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml, many times as fast. It limits the nesting, because libyaml recurses in C."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
    _depth = 0

    def descend_resolver(self, parent: Any, index: Any) -> None:
        self._depth += 1
        if self._depth > _DEEPEST + 2:
            raise yaml.YAMLError("nested too deep")

    def ascend_resolver(self) -> None:
        self._depth -= 1


_DEEPEST, _MOST_DIGITS, _MOST_NODES = 60, 300, 100_000
"""Limits of a file: nesting, digits of a whole number, and values after aliases are followed."""


class _RefusedError(Exception):
    """A value that YAML allows and no file of this project holds; `line` is its line."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def _text(node: yaml.Node) -> str:
    return str(node.value)


def _whole(loader: yaml.SafeLoader, node: yaml.Node) -> int:
    text = _text(node)
    if len(text) > _MOST_DIGITS:
        raise _RefusedError(node.start_mark.line + 1, f"a whole number of {len(text)} digits")
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)


def _joined(text: str, line: int) -> str:
    """Text with the halves of JSON's `\\ud83d\\ude00` joined to the one character that they are.

    Raises:
        _RefusedError: a half without the other half; no file could store it.
    """
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _RefusedError(line, "half of a surrogate pair occurs alone in a text") from None


for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)
for _loader in (_Loader, _FastLoader):
    _loader.add_constructor("tag:yaml.org,2002:int", _whole)
    _loader.add_constructor(
        "tag:yaml.org,2002:float",
        lambda loader, node: float(_text(node).lower().replace(".inf", "inf").replace(".nan", "nan")),
    )


class _Reader:
    """One file's nodes as values, with the line of every key."""

    def __init__(self, loader: _Loader | _FastLoader) -> None:
        self.loader = loader
        self.marks: dict[KeyPath, int] = {}
        self.nodes = 0

    def value(self, node: yaml.Node, at: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self.marks.setdefault(at, line)
        self.nodes += 1
        if len(at) > _DEEPEST:
            raise _RefusedError(line, f"nested more than {_DEEPEST} deep")
        if self.nodes > _MOST_NODES:
            raise _RefusedError(line, f"more than {_MOST_NODES:,} values")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*at, index)) for index, item in enumerate(node.value)]
        found = self.loader.construct_object(node)
        return _joined(found, line) if isinstance(found, str) else found

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> Json:
        found: Json = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise _RefusedError(line, "a key is a list or a mapping")
            key = _joined(str(self.loader.construct_object(key_node)), line)
            if key in found:
                first = self.marks[(*at, key)]
                raise _RefusedError(line, f"key {key!r} occurs twice in the same mapping (first at line {first})")
            self.marks[(*at, key)] = line
            found[key] = self.value(value_node, (*at, key))
        return found


def load_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """The content of a YAML file and the 1-based line of every key path in it.

    Raises:
        UserError: the file is missing, unreadable, not YAML, or has a duplicate key.
    """
    name = told(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{name}: file not found") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: cannot be read as UTF-8 text: {error}") from None
    return parse_yaml(text, name)


def parse_yaml(text: str, name: str) -> tuple[Any, dict[KeyPath, int]]:
    """The content of a YAML text and the 1-based line of every key path in it.

    Args:
        text: one YAML document.
        name: the file's name for messages.

    Raises:
        UserError: it is not YAML, has a duplicate key, or passes a limit.
    """
    try:
        return _read(_FastLoader(text))
    except (yaml.YAMLError, _RefusedError, RecursionError, ValueError):  # PyYAML's own parser gives place and reason
        pass
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise UserError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        return _read(loader)
    except _RefusedError as error:
        raise UserError(f"{name}:{error.line}: {error}") from None
    except (RecursionError, ValueError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise UserError(f"{name}: not valid YAML: {why}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{name}{line}: not valid YAML: {problem}") from None


def _read(loader: _Loader | _FastLoader) -> tuple[Any, dict[KeyPath, int]]:
    """The only document of a text, and the line of every key path in it."""
    reader = _Reader(loader)
    try:
        node = loader.get_single_node()
        return (None if node is None else reader.value(node, ())), reader.marks
    finally:
        loader.dispose()
