"""Quality cases as data: the prompt, its sampling, and the rule that judges the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalpress.core import paths
from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.core.validation import KeyPath, dotted, found, line_of, mistakes
from evalpress.core.yaml12 import load_yaml
from evalpress.sections.quality.checkers import Checker, Kind, Question, SpecError, build

Category = Literal["knowledge", "reasoning", "code", "summarisation", "translation", "creative", "chinese"]
CATEGORIES: tuple[Category, ...] = (
    "knowledge",
    "reasoning",
    "code",
    "summarisation",
    "translation",
    "creative",
    "chinese",
)

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


CHAT_MAX_TOKENS = 512
"""Limit of a chat model's answer, unless the case gives another."""


class Sampling(BaseModel):
    """How a base model's answer is drawn; the names are those of vLLM's SamplingParams."""

    model_config = _STRICT

    max_tokens: Annotated[int, Field(ge=1)] = 64
    temperature: Annotated[float, Field(ge=0)] = 0.0
    stop: list[Annotated[str, Field(min_length=1)]] = []


class ChatSampling(Sampling):
    """How a chat model's answer is drawn: it explains before it answers and stops by itself."""

    max_tokens: Annotated[int, Field(ge=1)] = CHAT_MAX_TOKENS


class _Entry(BaseModel):
    """A case as in its file."""

    model_config = _STRICT

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    category: Category
    group: str | None = None
    language: Literal["en", "zh"]
    kind: Kind = "chat"
    """The kind of model that the prompt is written for: a request (chat), or a text to be continued (base)."""
    prompt: Annotated[str, Field(min_length=1)]
    sampling: Sampling = Sampling()
    """For a base model."""
    chat: ChatSampling = ChatSampling()
    """For a chat model."""
    checker: Json


class Case(_Entry):
    """One case, and the place where it is written (`file:line`)."""

    source: str

    def rule(self, kind: Kind) -> Checker:
        """The rule that judges an answer of a model of this kind."""
        return build(self.checker, question=Question(kind, self.prompt))

    def sampling_for(self, kind: Kind) -> Sampling:
        """How the answer of a model of this kind is drawn."""
        return self.chat if kind == "chat" else self.sampling


class _File(BaseModel):
    """A file of cases. `description` and `source` are for its readers."""

    model_config = _STRICT

    description: str = ""
    source: str = ""
    cases: Annotated[list[Json], Field(min_length=1)]


def load_cases(files: Sequence[str], limit: int | None = None) -> tuple[Case, ...]:
    """The cases of all files, in order; of each file the first `limit`.

    Raises:
        UserError: `file:line: case 'id': …` for an unknown key, checker or argument, a wrong type, an id that
            occurs twice.
    """
    found: dict[str, Case] = {}
    for name in files:
        for case in _load_file(name)[:limit]:
            if case.id in found:
                first = found[case.id].source
                raise UserError(f"{case.source}: case {case.id!r}: this id occurs twice, first at {first}")
            found[case.id] = case
    return tuple(found.values())


def _load_file(name: str) -> list[Case]:
    data, marks = load_yaml(paths.resolve(name))
    file = paths.shown(paths.resolve(name))
    if not isinstance(data, dict):
        raise UserError(f"{file}:1: found {found(data)}, allowed a mapping with the key 'cases'")
    try:
        entries = _File.model_validate(data).cases
    except ValidationError as problem:
        raise UserError(mistakes(problem, _File, lambda key: f"{file}:{line_of(marks, key)}")[0]) from None
    return [_case(file, marks, index, entry) for index, entry in enumerate(entries)]


def _case(file: str, marks: dict[KeyPath, int], index: int, entry: Json) -> Case:
    at: KeyPath = ("cases", index)
    name = entry.get("id")
    try:
        fields = dict(_Entry.model_validate(entry))
        _refuse_nulls(entry["checker"], ())
        build(entry["checker"])
        return Case(**fields, source=f"{file}:{line_of(marks, at)}")
    except ValidationError as problem:
        case = "" if name is None else f": case {name!r}"
        told = mistakes(problem, _Entry, lambda key: f"{file}:{line_of(marks, key)}{case}", at)
        raise UserError(told[0]) from None
    except SpecError as problem:
        place = (*at, "checker", *problem.at)
        raise UserError(f"{file}:{line_of(marks, place)}: case {name!r}: {dotted(place[2:])}: {problem}") from None


def _refuse_nulls(value: Any, at: KeyPath) -> None:
    """A null in a rule is a forgotten value; in results files it would mean `not measured`."""
    if value is None:
        raise SpecError(at, "found nothing (null), allowed a value")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _refuse_nulls(item, (*at, key))
