"""One wording for every mistake that pydantic finds: `key: found …, allowed …`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

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
    "string_too_short": "text that is not empty",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_KINDS = {str: "text", int: "whole number", float: "number", dict: "mapping", tuple: "list", list: "list"}
_SHOWN = 60
_KEY = re.compile(r"(\w+(?:\.\w+)*): ")


Where = Callable[[KeyPath], object]
"""The place of a key for a message: `file:line`, or the option that gave it."""


def mistakes(error: ValidationError, model: type[BaseModel], where: Where, at: KeyPath = ()) -> list[str]:
    """Every mistake of a file once, as `file:line: key: found …, allowed …`; unknown keys before what is missing.

    Args:
        error: what pydantic raised.
        model: the model that refused the data; it names the keys that are allowed.
        where: the place of a key path in the file.
        at: the key path of the data inside the file.
    """
    items = sorted(error.errors(), key=lambda item: not _is_unknown_key(item))
    return list(dict.fromkeys(f"{where((*at, *_told_key(item)))}: {mistake(item, model)}" for item in items))


def _told_key(item: Mapping[str, Any]) -> KeyPath:
    """The key of a mistake; where a whole block is refused, its message may begin with the key inside the block."""
    inside = _KEY.match(str(item.get("ctx", {}).get("error", ""))) if item["type"] == "value_error" else None
    return (*key_of(item), *(inside[1].split(".") if inside else ()))


def mistake(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    """One of `ValidationError.errors()` as `key: found …, allowed …`."""
    key = key_of(item)
    text = describe(item, model)
    return text if item["type"] == "value_error" and not key else f"{dotted(key)}: {text}"


def first(error: ValidationError, model: type[BaseModel]) -> tuple[KeyPath, str]:
    """The first mistake: its key path, and `found …, allowed …` without the key; unknown keys first."""
    item = min(error.errors(), key=lambda item: not _is_unknown_key(item))
    return key_of(item), describe(item, model)


def key_of(item: Mapping[str, Any]) -> KeyPath:
    """The key path of one of `ValidationError.errors()`."""
    return tuple(part for part in item["loc"] if part != "[key]")


def line_of(marks: Mapping[KeyPath, int], key: KeyPath) -> int:
    """The line of the innermost key on the way to `key` that is in the file; 1 where none is."""
    return next((marks[key[:n]] for n in range(len(key), -1, -1) if key[:n] in marks), 1)


def describe(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    """One of `ValidationError.errors()` of `model` as `found …, allowed …`, without its key."""
    kind, context, key = item["type"], item.get("ctx", {}), key_of(item)
    if _is_unknown_key(item):
        return _unknown_key(str(key[-1]), keys_at(model, key[:-1]))
    if kind == "missing":
        return "missing, it must be given"
    if kind == "value_error":
        return str(context["error"])
    return f"found {found(item['input'])}, allowed {allowed(item)}"


def _is_unknown_key(item: Mapping[str, Any]) -> bool:
    return item["type"] == "extra_forbidden" or (item["type"] == "literal_error" and "[key]" in item["loc"])


def _unknown_key(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown key{hint}" + (f"; allowed here: {', '.join(known)}" if known else "")


def keys_at(model: Any, path: KeyPath) -> list[str]:
    """The keys that a model allows at a key path inside it; empty where any key is allowed or none is known."""
    for part in path:
        model = _inside(model, part)
    for option in _options(model):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return sorted(field.serialization_alias or name for name, field in option.model_fields.items())
        if get_origin(option) is dict and get_origin(get_args(option)[0]) is Literal:
            return sorted(get_args(get_args(option)[0]))
    return []


def _inside(annotation: Any, part: str | int) -> Any:
    """The type of what is under `part` in a value of a type; None where it is not known."""
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            fields = {field.serialization_alias or name: field for name, field in option.model_fields.items()}
            return fields[str(part)].annotation if part in fields else None
        arguments = get_args(option)
        if get_origin(option) in (dict, list, tuple) and arguments:
            return arguments[1 if get_origin(option) is dict else 0]
    return None


def _options(annotation: Any) -> list[Any]:
    """The members of a union, without what `Annotated` adds."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [option for member in get_args(annotation) for option in _options(member)]
    return [annotation]


def allowed(item: Mapping[str, Any]) -> str:
    """What would have been accepted in place of the value that one of `ValidationError.errors()` is about."""
    context = item.get("ctx", {})
    limits = [f"{words} {context[name]}" for name, words in _BOUNDS.items() if name in context]
    return str(context.get("expected") or _TYPES.get(item["type"]) or " and ".join(limits) or str(item["msg"]).lower())


def found(value: Any) -> str:
    """A value as it is written in the file, shortened, with its kind."""
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if value is None:
        return "nothing (null)"
    text = repr(value) if len(repr(value)) <= _SHOWN else repr(value)[: _SHOWN - 3] + "…"
    return f"{text} ({_KINDS.get(type(value), type(value).__name__)})"


def dotted(key: KeyPath) -> str:
    """A key path as `a.b.0`; the file itself where it is empty."""
    return ".".join(str(part) for part in key) or "(file)"
