"""Prompt files: `params/prompts/*.yaml`, lists of prompts with ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.core.yaml12 import load_yaml


@dataclass(frozen=True)
class Prompt:
    """One prompt. `group` sorts the evidence table; `kind` is `prompt` (last position matters) or `text`."""

    id: str
    text: str
    group: str = ""
    kind: str = "prompt"
    language: str = "en"


_FIELDS = tuple(Prompt.__dataclass_fields__)


def load(files: Iterable[str]) -> list[Prompt]:
    """All prompts of the files, in order.

    Raises:
        UserError: a file is missing, an entry lacks id or text, has an unknown key, or an id stands twice.
    """
    found: dict[str, Prompt] = {}
    for name in files:
        path = resolve(name)
        entries, marks = load_yaml(path)
        if not isinstance(entries, list) or not entries:
            raise UserError(f"{shown(path)}: a list of prompts is expected, each with id and text")
        for index, entry in enumerate(entries):
            prompt = _prompt(entry, path, marks.get((index,), 1))
            if prompt.id in found:
                raise UserError(f"{shown(path)}:{marks[(index,)]}: id {prompt.id!r} stands twice")
            found[prompt.id] = prompt
    return list(found.values())


def _prompt(entry: Any, path: Path, line: int) -> Prompt:
    where = f"{shown(path)}:{line}"
    if not isinstance(entry, dict):
        raise UserError(f"{where}: found {entry!r}, allowed a mapping with id and text")
    unknown = sorted(set(entry) - set(_FIELDS))
    if unknown:
        raise UserError(f"{where}: {unknown[0]}: unknown key; allowed here: {', '.join(_FIELDS)}")
    for key in _FIELDS:
        if key in entry and not isinstance(entry[key], str):
            raise UserError(f"{where}: {key}: found {entry[key]!r}, allowed text (quote it)")
    if not entry.get("id") or not entry.get("text"):
        raise UserError(f"{where}: id and text must be given")
    if entry.get("kind", "prompt") not in ("prompt", "text"):
        raise UserError(f"{where}: kind: found {entry['kind']!r}, allowed 'prompt' or 'text'")
    return Prompt(**entry)
