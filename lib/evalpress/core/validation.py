"""One wording for every mistake that pydantic finds: `key: found …, allowed …`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KeyPath = tuple[str | int, ...]

_TYPES = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_KINDS = {str: "text", int: "whole number", float: "number", dict: "mapping", tuple: "list", list: "list"}
_SHOWN = 60


def key_of(item: Mapping[str, Any]) -> KeyPath:
    """Where one of `ValidationError.errors()` stands."""
    return tuple(part for part in item["loc"] if part != "[key]")


def describe(item: Mapping[str, Any]) -> str:
    """One of `ValidationError.errors()` as `found …, allowed …`, without its key."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "missing":
        return "missing, it must be given"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "value_error":
        return str(context["error"])
    return f"found {found(item['input'])}, allowed {allowed(item)}"


def allowed(item: Mapping[str, Any]) -> str:
    """What would have been accepted in place of the value that one of `ValidationError.errors()` is about."""
    context = item.get("ctx", {})
    limits = [f"{words} {context[name]}" for name, words in _BOUNDS.items() if name in context]
    return str(context.get("expected") or _TYPES.get(item["type"]) or " and ".join(limits) or str(item["msg"]).lower())


def found(value: Any) -> str:
    """A value as a reader of the file knows it, shortened, with its kind."""
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if value is None:
        return "nothing (null)"
    text = repr(value) if len(repr(value)) <= _SHOWN else repr(value)[: _SHOWN - 3] + "…"
    return f"{text} ({_KINDS.get(type(value), type(value).__name__)})"


def dotted(key: KeyPath) -> str:
    """A key path as `a.b.0`; the file itself where it is empty."""
    return ".".join(str(part) for part in key) or "(file)"
