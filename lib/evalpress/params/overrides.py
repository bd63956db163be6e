"""Parameters given beside the file: `--param engine.max_num_seqs=32`, or `overrides` in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.core.validation import KeyPath
from evalpress.core.yaml12 import parse_yaml
from evalpress.params.place import Place


def parse(given: Iterable[str]) -> Json:
    """`key=value` texts as values by dotted key; a value is read as in a params file (`[1, 4]`, `null`, `1e-5`).

    Raises:
        UserError: there is no `=`, the key is empty, or the value is not YAML.
    """
    found: Json = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not all(key.split(".")):
            raise UserError(f"--param {text!r}: allowed key=value, for instance engine.max_num_seqs=32")
        found[key], _ = parse_yaml(value, f"--param {key}")
    return found


def layer(overrides: Mapping[str, Any]) -> tuple[Json, dict[KeyPath, Place]]:
    """The overrides as a nested mapping that merges over a file, and the place of every key in it.

    Raises:
        UserError: one key is inside another's value.
    """
    data: Json = {}
    places: dict[KeyPath, Place] = {}
    for dotted, value in overrides.items():
        parts = dotted.split(".")
        inner = data
        for part in parts[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UserError(f"--param {dotted}: {part} is given as a value already")
        if isinstance(inner.get(parts[-1]), dict):
            raise UserError(f"--param {dotted}: parts of it are given already")
        inner[parts[-1]] = value
        places[tuple(parts)] = Place(None, given=f"--param {dotted}")
    return data, places
