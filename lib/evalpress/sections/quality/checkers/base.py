"""What every checker is: arguments checked once, one method that turns an output into a judgement."""

from __future__ import annotations

import logging
import unicodedata
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

Kind = Literal["chat", "base"]
"""A chat model answers and stops; a base model continues the text of the prompt."""
Found = Literal["pass", "fail", "cut", "needs_review", "error"]
"""What a rule can find. `cut`: the answer reached its limit before the rule was decided. `error`: the rule itself
raised an exception, nothing is known about the output."""

_LOG = logging.getLogger(__name__)

MAX_OUTPUT = 200_000
"""Characters of an output that are judged; a longer one is left to people."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and one sentence with the reason, so that a reader can check it."""

    verdict: Found
    reason: str
    settled: bool = False
    """Whether no continuation of the output could change the verdict: used where the output reached its limit."""


@dataclass(frozen=True)
class Question:
    """What a rule may use of the question: the model's kind and the prompt."""

    kind: Kind = "chat"
    prompt: str = ""


class Checker(BaseModel):
    """A rule. Its fields are the arguments that a case gives; unknown ones and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())

    name: ClassVar[str] = ""
    _question: Question = PrivateAttr(default=Question())

    def for_question(self, question: Question) -> Self:
        """This rule for one question; `build` calls it."""
        self._question = question
        return self

    @abstractmethod
    def check(self, output: str) -> Judgement:
        """Judge one output. `judge` is the same and never raises."""

    def judge(self, output: str) -> Judgement:
        """Judge any text. An exception of the rule is logged and becomes `error`, which is no verdict on the model."""
        if len(output) > MAX_OUTPUT:
            return Judgement("needs_review", f"{len(output)} characters, rules read at most {MAX_OUTPUT}")
        try:
            return self.check(output)
        except Exception as error:
            _LOG.exception("the rule %r raised an exception on an output of %d characters", self.name, len(output))
            return Judgement(
                "error", f"the rule {self.name!r} raised {type(error).__name__}: {quoted(str(error), 120)}"
            )


CHECKERS: dict[str, type[Checker]] = {}
"""Every checker by the name that a case uses."""


def register(name: str) -> Callable[[type[Checker]], type[Checker]]:
    """Class decorator: make a checker known under `name`."""

    def add(kind: type[Checker]) -> type[Checker]:
        kind.name = name
        CHECKERS[name] = kind
        return kind

    return add


def decide(good: bool, reason: str, settled: bool = False) -> Judgement:
    """`pass` or `fail`, with the reason."""
    return Judgement("pass" if good else "fail", reason, settled)


def quoted(text: str, limit: int = 60) -> str:
    """A piece of an output as a reason may show it: one line, quoted, cut at `limit` characters."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= limit else line[: limit - 1] + '…'}”"


def plain(text: str, ignore_case: bool = True) -> str:
    """Text for comparison: compatibility forms (full width, subscripts) made plain, spaces single."""
    normal = " ".join(unicodedata.normalize("NFKC", text).split())
    return normal.casefold() if ignore_case else normal


def is_word_character(character: str) -> bool:
    """Letters and digits of scripts that put spaces between words; Chinese does not."""
    return character.isalnum() and not is_chinese(character)


def is_chinese(character: str) -> bool:
    """Whether this is a Chinese character (CJK unified ideographs and extensions A to H)."""
    return (
        "\u3400" <= character <= "\u4dbf"
        or "\u4e00" <= character <= "\u9fff"
        or "\U00020000" <= character <= "\U000323af"
    )


def places(phrase: str, text: str, whole: bool) -> Iterator[int]:
    """Where `phrase` is in `text` (both `plain`); with `whole` not as part of a longer word or number."""
    start = text.find(phrase) if phrase else -1
    while start >= 0:
        end = start + len(phrase)
        joined_left = start > 0 and is_word_character(text[start - 1]) and is_word_character(phrase[0])
        joined_right = end < len(text) and is_word_character(text[end]) and is_word_character(phrase[-1])
        if not whole or not (joined_left or joined_right):
            yield start
        start = text.find(phrase, start + 1)


def occurs(phrase: str, text: str, whole: bool) -> bool:
    """Whether `places` finds any."""
    return next(places(phrase, text, whole), None) is not None


def code_blocks(text: str) -> list[str]:
    """The contents of the fenced blocks of a Markdown text, the last one possibly unfinished."""
    return [part.partition("\n")[2] for part in text.split("```")[1::2]]
