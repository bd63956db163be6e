"""Rules that combine rules, and the rule that leaves the output to a person."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

from pydantic import SerializeAsAny

from evalpress.sections.quality.checkers.base import Checker, Found, Judgement, register
from evalpress.sections.quality.checkers.text import Text


class Composite(Checker):
    """Rules under a list; each part judges the same output."""

    parts: list[SerializeAsAny[Checker]]

    def _judged(self, output: str) -> list[tuple[str, Judgement]]:
        return [(part.name, part.judge(output)) for part in self.parts]


def _joined(judged: list[tuple[str, Judgement]], decisive: tuple[Found, ...], rest: Found) -> Judgement:
    """The first of the decisive verdicts that any part has, else `rest` with all reasons.

    A decisive verdict is settled when one part that has it is; the rest when every part is.
    """
    for verdict in decisive:
        having = [(name, found) for name, found in judged if found.verdict == verdict]
        if having:
            settled = verdict == decisive[0] and any(found.settled for _, found in having)
            return Judgement(verdict, "; ".join(f"{name}: {found.reason}" for name, found in having), settled)
    reason = "; ".join(f"{name}: {found.reason}" for name, found in judged)
    return Judgement(rest, reason, all(found.settled for _, found in judged))


@register("all_of")
class AllOf(Composite):
    """Passes when every part passes; fails when one fails; otherwise the verdict is that of an undecided part."""

    def check(self, output: str) -> Judgement:
        return _joined(self._judged(output), ("fail", "error", "needs_review"), "pass")


@register("any_of")
class AnyOf(Composite):
    """Passes when one part passes; otherwise undecided when one part is undecided, else it fails."""

    def check(self, output: str) -> Judgement:
        return _joined(self._judged(output), ("pass", "error", "needs_review"), "fail")


@register("first_line")
class FirstLine(Composite):
    """Judges only the first line that is not blank. One part."""

    def check(self, output: str) -> Judgement:
        line, complete = first_line(output)
        found = self.parts[0].judge(line)
        return replace(found, settled=complete or found.settled)


@register("answer")
class Answer(Composite):
    """Judges a base model's first line that is not blank, and a chat model's whole answer.

    A base model goes on after its answer with text of its own; a chat model explains and then stops. One part.
    """

    def check(self, output: str) -> Judgement:
        line, complete = (output, False) if self._question.kind == "chat" else first_line(output)
        found = self.parts[0].judge(line)
        if found.verdict == "pass" and garbled(line):
            return Judgement("needs_review", f"characters that are no text beside the answer: {found.reason}")
        return replace(found, settled=complete or found.settled)


def garbled(text: str) -> bool:
    """Whether a text holds characters that no reader can read: broken UTF-8 and control characters."""
    controls = ("Cc", "Cs", "Cn")
    return any(one == "\ufffd" or (unicodedata.category(one) in controls and one not in "\n\r\t") for one in text)


def first_line(output: str) -> tuple[str, bool]:
    """The first line that is not blank, and whether it is complete (a line break follows it)."""
    for line in output.splitlines(keepends=True):
        if line.strip():
            return line.strip(), line != line.rstrip("\r\n")
    return "", False


@register("review")
class Review(Checker):
    """Always decided by a person; `look_at` says what to look at."""

    look_at: Text

    def check(self, output: str) -> Judgement:
        return Judgement("needs_review", f"for a person to judge: {self.look_at}")
