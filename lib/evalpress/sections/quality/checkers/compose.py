"""Rules made of rules, and the rule that asks for a person."""

from __future__ import annotations

from pydantic import SerializeAsAny

from evalpress.sections.quality.checkers.base import Checker, Judgement, register
from evalpress.sections.quality.checkers.text import Text


class Composite(Checker):
    """Rules under a list; each part judges the same output."""

    parts: list[SerializeAsAny[Checker]]

    def _judged(self, output: str) -> list[tuple[str, Judgement]]:
        return [(part.name, part.judge(output)) for part in self.parts]


def _join(judged: list[tuple[str, Judgement]], verdict: str | None = None) -> str:
    return "; ".join(f"{name}: {found.reason}" for name, found in judged if verdict in (None, found.verdict))


@register("all_of")
class AllOf(Composite):
    """Passes when every part passes; one failure is a failure, else one open question is an open question."""

    def check(self, output: str) -> Judgement:
        judged = self._judged(output)
        verdicts = [found.verdict for _, found in judged]
        if "fail" in verdicts:
            return Judgement("fail", _join(judged, "fail"))
        if "needs_review" in verdicts:
            return Judgement("needs_review", _join(judged, "needs_review"))
        return Judgement("pass", _join(judged))


@register("any_of")
class AnyOf(Composite):
    """Passes when one part passes; else one open question is an open question, else it fails."""

    def check(self, output: str) -> Judgement:
        judged = self._judged(output)
        verdicts = [found.verdict for _, found in judged]
        if "pass" in verdicts:
            return Judgement("pass", _join(judged, "pass"))
        if "needs_review" in verdicts:
            return Judgement("needs_review", _join(judged, "needs_review"))
        return Judgement("fail", _join(judged))


@register("first_line")
class FirstLine(Composite):
    """Judges only the first line that is not blank: a base model goes on after its answer. One part."""

    def check(self, output: str) -> Judgement:
        line = next((line.strip() for line in output.splitlines() if line.strip()), "")
        return self.parts[0].judge(line)


@register("review")
class Review(Checker):
    """Always a person's matter; `look_at` says what to look at."""

    look_at: Text

    def check(self, output: str) -> Judgement:
        return Judgement("needs_review", f"for a person to judge: {self.look_at}")
