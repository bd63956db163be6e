"""Quality cases as data: what is asked, how it is sampled, and the rule that judges the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalpress.core import paths
from evalpress.core.errors import UserError
from evalpress.core.yaml12 import KeyPath, load_yaml
from evalpress.sections.quality.checkers import Asked, Checker, Kind, SpecError, build
from evalpress.sections.quality.wording import explain, shown

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
    """A case as it stands in its file."""

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
    checker: dict[str, Any]


class Case(_Entry):
    """One case, and the place where it is written (`file:line`)."""

    source: str

    def rule(self, kind: Kind) -> Checker:
        """The rule that judges an answer of a model of this kind."""
        return build(self.checker, asked=Asked(kind, self.prompt))

    def sampling_for(self, kind: Kind) -> Sampling:
        """How the answer of a model of this kind is drawn."""
        return self.chat if kind == "chat" else self.sampling


class _File(BaseModel):
    """A file of cases. `description` and `source` are for its readers."""

    model_config = _STRICT

    description: str = ""
    source: str = ""
    cases: Annotated[list[dict[str, Any]], Field(min_length=1)]


def load_cases(files: Sequence[str]) -> tuple[Case, ...]:
    """The cases of all files, in order.

    Raises:
        UserError: `file:line: case 'id': …` for an unknown key, checker or argument, a wrong type, an id that
            stands twice.
    """
    found: dict[str, Case] = {}
    for name in files:
        for case in _load_file(name):
            if case.id in found:
                first = found[case.id].source
                raise UserError(f"{case.source}: case {case.id!r}: this id stands twice, first at {first}")
            found[case.id] = case
    return tuple(found.values())


def _load_file(name: str) -> list[Case]:
    data, marks = load_yaml(paths.resolve(name))
    file = paths.shown(paths.resolve(name))
    if not isinstance(data, dict):
        raise UserError(f"{file}:1: found {shown(data)}, allowed a mapping with the key 'cases'")
    try:
        entries = _File.model_validate(data).cases
    except ValidationError as problem:
        raise _error(file, marks, problem, (), None, _File) from None
    return [_case(file, marks, index, entry) for index, entry in enumerate(entries)]


def _case(file: str, marks: dict[KeyPath, int], index: int, entry: dict[str, Any]) -> Case:
    at: KeyPath = ("cases", index)
    name = entry.get("id")
    try:
        fields = dict(_Entry.model_validate(entry))
        _refuse_nulls(entry["checker"], ())
        build(entry["checker"])
        return Case(**fields, source=f"{file}:{_line(marks, at)}")
    except ValidationError as problem:
        raise _error(file, marks, problem, at, name, _Entry) from None
    except SpecError as problem:
        place = (*at, "checker", *problem.at)
        raise UserError(f"{file}:{_line(marks, place)}: case {name!r}: {_dotted(place[2:])}: {problem}") from None


def _refuse_nulls(value: Any, at: KeyPath) -> None:
    """A null in a rule is a forgotten value; in results files it would mean `not measured`."""
    if value is None:
        raise SpecError(at, "found nothing (null), allowed a value")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        _refuse_nulls(item, (*at, key))


def _error(
    file: str,
    marks: dict[KeyPath, int],
    problem: ValidationError,
    at: KeyPath,
    name: str | None,
    model: type[BaseModel],
) -> UserError:
    # A misspelt key is named before the key that is therefore missing.
    error = min(problem.errors(), key=lambda error: error["type"] != "extra_forbidden")
    place = (*at, *error["loc"])
    model = Sampling if len(error["loc"]) > 1 and error["loc"][0] in ("sampling", "chat") else model
    case = "" if name is None else f"case {name!r}: "
    key = _dotted(error["loc"])
    return UserError(f"{file}:{_line(marks, place)}: {case}{key}: {explain(error, model.model_fields)}")


def _line(marks: dict[KeyPath, int], place: KeyPath) -> int:
    """The line of the innermost key on the way to `place` that stands in the file."""
    return next((marks[place[:n]] for n in range(len(place), -1, -1) if place[:n] in marks), 1)


def _dotted(place: KeyPath) -> str:
    return ".".join(str(part) for part in place)
