"""Reading of result files that other programs wrote: every mistake is one line that names the file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.plain import Json


def load(path: Path) -> Any:
    """A JSON document.

    Raises:
        UserError: it cannot be read or is no JSON.
    """
    try:
        return json.loads(text(path))
    except ValueError as error:
        raise UserError(f"{path}: no JSON document: {error}") from None


def lines(path: Path) -> list[Json]:
    """The objects of a JSON-lines file.

    Raises:
        UserError: it cannot be read, or a line is no JSON object.
    """
    found = []
    for number, line in enumerate(text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}:{number}: no JSON: {error}") from None
        if not isinstance(one, dict):
            raise UserError(f"{path}:{number}: found {type(one).__name__}, allowed a JSON object")
        found.append(one)
    return found


def text(path: Path) -> str:
    """A text file that a user names.

    Raises:
        UserError: it is missing, a folder or not readable.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise UserError(f"{path}: file not found") from None
    except OSError as error:
        raise UserError(f"{path}: not readable: {error.strerror}") from None


def number(value: Any) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def count(value: Any) -> int | None:
    """A whole number that is not negative, else None."""
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def inner(value: Any, *keys: str) -> Any:
    """The value under nested keys, None where one is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def numbers(value: Any) -> list[float | None]:
    """The entries of a list as finite numbers, None in place of others; empty where it is no list."""
    return [number(one) for one in value] if isinstance(value, list) else []
