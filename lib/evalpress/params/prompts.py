"""Prompt files: `params/prompts/*.yaml`, lists of prompts with ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.core.validation import KeyPath, line_of, mistakes
from evalpress.core.yaml12 import load_yaml


class Prompt(BaseModel):
    """One prompt. `group` sorts the evidence table; `kind` is `prompt` (last position matters) or `text`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(min_length=1)]
    text: Annotated[str, Field(min_length=1)]
    group: str = ""
    kind: Literal["prompt", "text"] = "prompt"
    language: str = "en"


def load(files: Iterable[str]) -> list[Prompt]:
    """All prompts of the files, in order.

    Raises:
        UserError: a file is missing, an entry lacks id or text, has an unknown key, or an id occurs twice.
    """
    found: dict[str, Prompt] = {}
    for name in files:
        path = resolve(name)
        entries, marks = load_yaml(path)
        if not isinstance(entries, list) or not entries:
            raise UserError(f"{shown(path)}: a list of prompts is expected, each with id and text")
        for index, entry in enumerate(entries):
            prompt = _prompt(entry, shown(path), (index,), marks)
            if prompt.id in found:
                raise UserError(f"{shown(path)}:{marks[(index,)]}: id {prompt.id!r} occurs twice")
            found[prompt.id] = prompt
    return list(found.values())


def _prompt(entry: Any, file: str, at: KeyPath, marks: Mapping[KeyPath, int]) -> Prompt:
    try:
        return Prompt.model_validate(entry)
    except ValidationError as error:
        raise UserError(mistakes(error, Prompt, lambda key: f"{file}:{line_of(marks, key)}", at)[0]) from None
