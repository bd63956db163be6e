"""Checkers: small rules that turn an output into pass, fail or needs_review with a reason.

A case names a checker as a mapping of one key, its name, to its arguments; `all_of` and `any_of` take a
list of such mappings, `first_line` and `answer` take one.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from evalpress.core import jsonschema_import  # noqa: F401 - structure imports jsonschema
from evalpress.core.validation import first, found
from evalpress.sections.quality.checkers import (  # noqa: F401 - importing them registers their checkers
    answer,
    code,
    form,
    items,
    structure,
    summary,
    text,
    translation,
)
from evalpress.sections.quality.checkers.base import CHECKERS, Checker, Judgement, Kind, Question
from evalpress.sections.quality.checkers.compose import Answer, Composite, FirstLine

__all__ = ["CHECKERS", "Question", "Checker", "Judgement", "Kind", "SpecError", "build", "check"]


class SpecError(ValueError):
    """An unusable checker specification; `at` is the key path of the mistake inside it."""

    def __init__(self, at: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.at = at


def build(spec: Any, at: tuple[str | int, ...] = (), question: Question | None = None) -> Checker:
    """The checker that a specification describes, for one question.

    Args:
        spec: a mapping of one key, the checker's name, to its arguments.
        at: the key path of `spec`, for messages.
        question: without it, that of a chat model with an empty prompt.

    Raises:
        SpecError: unknown checker, unknown or missing argument, or a value of the wrong kind.
    """
    if not isinstance(spec, dict) or len(spec) != 1:
        raise SpecError(at, f"found {found(spec)}, allowed one checker's name with its arguments: {_names()}")
    name, arguments = next(iter(spec.items()))
    kind = CHECKERS.get(name)
    if kind is None:
        raise SpecError((*at, name), f"unknown checker {name!r}, allowed {_names()}")
    if issubclass(kind, Composite):
        return kind(parts=_parts(kind, arguments, (*at, name), question)).for_question(question or Question())
    try:
        return kind.model_validate(arguments).for_question(question or Question())
    except ValidationError as problem:
        key, message = first(problem, kind)
        raise SpecError((*at, name, *key), message) from None


def check(name: str, output: str, **arguments: Any) -> Judgement:
    """Judge one output by one checker. Raises `SpecError` on bad arguments, nothing on any output."""
    return build({name: arguments}).judge(output)


def _parts(
    kind: type[Composite], arguments: Any, at: tuple[str | int, ...], question: Question | None
) -> list[Checker]:
    if kind in (FirstLine, Answer):
        return [build(arguments, at, question)]
    if not isinstance(arguments, list) or not arguments:
        raise SpecError(at, f"found {found(arguments)}, allowed a list of checkers")
    return [build(part, (*at, index), question) for index, part in enumerate(arguments)]


def _names() -> str:
    return ", ".join(sorted(CHECKERS))
