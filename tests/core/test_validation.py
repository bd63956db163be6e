"""Mistakes that pydantic finds, told as `file:line: key: found …, allowed …`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from evalpress.core.validation import keys_at, line_of, mistakes
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

STRICT = ConfigDict(extra="forbid", strict=True)


class Part(BaseModel):
    model_config = STRICT

    size: Annotated[int, Field(ge=1)] = 1
    schema_: Annotated[str, Field(alias="schema")] = ""


class Whole(BaseModel):
    model_config = STRICT

    name: str
    parts: list[Part] = []
    by_name: dict[str, Part | None] = {}
    limits: dict[Literal["low", "high"], float] = {}

    @model_validator(mode="after")
    def _not_both(self) -> Whole:
        if self.parts and self.by_name:
            raise ValueError("parts and by_name: give one of them")
        return self


MARKS = {(): 1, ("name",): 1, ("parts",): 2, ("parts", 0): 3, ("parts", 0, "size"): 4}


def told(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(data)
    return mistakes(caught.value, Whole, lambda key: f"f.yaml:{line_of(MARKS, key)}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": 1}, "f.yaml:1: name: found 1 (whole number), allowed text"),
        ({}, "f.yaml:1: name: missing, it must be given"),
        ({"name": "", "parts": [{"size": 0}]}, "f.yaml:4: parts.0.size: found 0 (whole number), allowed at least 1"),
        (
            {"name": "", "parts": [{"sise": 1}]},
            "f.yaml:3: parts.0.sise: unknown key; did you mean 'size'?; allowed here: schema, size",
        ),
        ({"name": "", "limits": {"mid": 1.0}}, "f.yaml:1: limits.mid: unknown key; allowed here: high, low"),
        ({"name": "", "parts": [{}], "by_name": {"a": {}}}, "f.yaml:1: parts and by_name: give one of them"),
    ],
)
def test_a_mistake_is_told_with_place_key_and_what_is_allowed(data: dict[str, Any], message: str) -> None:
    assert told(data) == [message]


def test_an_unknown_key_comes_before_the_key_that_is_therefore_missing() -> None:
    first, second = told({"nme": "x"})
    assert "nme: unknown key; did you mean 'name'?" in first
    assert second.endswith("name: missing, it must be given")


def test_keys_are_found_through_lists_mappings_and_unions() -> None:
    assert keys_at(Whole, ("by_name", "any")) == keys_at(Whole, ("parts", 7)) == ["schema", "size"]
    assert keys_at(Whole, ("name",)) == keys_at(Whole, ("nothing", "here")) == []
