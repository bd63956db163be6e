"""Messages about data files, in the form `found X, allowed Y`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping of keys",
    "string_type": "text",
}


def shown(value: Any) -> str:
    """A value as a message may show it: one line, at most 60 characters."""
    if value is None:
        return "nothing (null)"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def explain(error: Mapping[str, Any], keys: Iterable[str]) -> str:
    """One pydantic error as a sentence; `keys` are those allowed where an unknown one was found."""
    last = error["loc"][-1] if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return f"unknown key {last!r}, allowed {', '.join(sorted(keys))}"
    if error["type"] == "missing":
        return f"{last!r} is missing, it must be given"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    wanted = _WANTED.get(error["type"]) or error["msg"].removeprefix("Input should be ")
    return f"found {shown(error['input'])}, allowed {wanted}"
