"""Rules on one answer in a text that may explain: a number, one of several options, a statement."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import regex
from pydantic import Field, field_validator, model_validator

from evalpress.sections.quality.checkers.answers import announced, sentences
from evalpress.sections.quality.checkers.base import Checker, Judgement, decide, places, plain, quoted, register
from evalpress.sections.quality.checkers.text import REGEX_SECONDS, Text, Texts

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_RESULT = re.compile(r"(?:=|\bequals?\b|等于)\s*[$¥€£]?\s*([-+]?\d[\d,]*(?:\.\d+)?)")
_ONES = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_HAN_DIGITS = "零一二三四五六七八九十"


def numbers(text: str) -> list[float]:
    """The numbers of a `plain` text, thousands separators removed."""
    return [float(number.replace(",", "")) for number in _NUMBER.findall(text.replace("−", "-"))]


def in_words(value: float) -> list[str]:
    """A whole number from 0 to 999 in English words and, to 99, in Chinese characters; else nothing."""
    if value != int(value) or not 0 <= value < 1000:
        return []
    n = int(value)
    han = _han(n) if n < 100 else []
    return [*_english(n), *han]


def _english(n: int) -> list[str]:
    if n < 20:
        return [_ONES[n]]
    if n < 100:
        tens, ones = _TENS[n // 10 - 2], n % 10
        return [f"{tens}-{_ONES[ones]}", f"{tens} {_ONES[ones]}"] if ones else [tens]
    rest = [""] if n % 100 == 0 else [f"{joint}{word}" for word in _english(n % 100) for joint in (" ", " and ")]
    return [f"{_ONES[n // 100]} hundred{more}" for more in rest]


def _han(n: int) -> list[str]:
    if n <= 10:
        return [_HAN_DIGITS[n]]
    tens, ones = divmod(n, 10)
    return [("" if tens == 1 else _HAN_DIGITS[tens]) + "十" + (_HAN_DIGITS[ones] if ones else "")]


@register("number")
class Number(Checker):
    """One number of the output is `value`, within an absolute `tolerance`: the first, the last, any or the final one.

    `final` looks for the answer: in a box, after “the answer is”, else in the last sentence that gives a number
    that the prompt does not give. Numbers of the prompt beside it count as its explanation. Where sentences
    disagree, a person decides. `wrong_units`: units that make the right number a wrong answer.
    """

    value: float
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    which: Literal["first", "last", "any", "final"] = "first"
    wrong_units: list[Text] = []

    def check(self, output: str) -> Judgement:
        text = plain(output).replace("−", "-")
        if self.which == "final":
            return self._final(output)
        found = numbers(text)
        if not found:
            return Judgement("fail", f"contains no number, expected {self.value:g}")
        looked_at = {"first": found[:1], "last": found[-1:], "any": found}[self.which]
        settled = self.which == "first" and len(found) > 1
        return self._said(any(map(self._right, looked_at)), f"{self.which} number", looked_at, settled)

    def _right(self, number: float) -> bool:
        return abs(number - self.value) <= self.tolerance

    def _said(self, good: bool, what: str, seen: list[float], settled: bool = False) -> Judgement:
        spread = f" ± {self.tolerance:g}" if self.tolerance else ""
        shown = ", ".join(f"{number:g}" for number in seen[:5])
        return decide(good, f"{what}: {shown}; expected {self.value:g}{spread}", settled)

    def _final(self, output: str) -> Judgement:
        said = announced(output)
        spans = [*reversed(said), *reversed(sentences(output))]
        given = set(numbers(plain(self._question.prompt))) - {self.value}
        decided = next(((span, new) for span in spans if (new := self._news(plain(span), given))), None)
        if decided is None:
            seen = numbers(plain(output))
            if not seen:
                return Judgement("fail", f"contains no number, expected {self.value:g}")
            return self._said(False, "only numbers of the prompt", seen)
        span, new = decided
        good = self._right(new[-1]) if len(new) > 1 else self._right(new[0])
        if good and (unit := self._wrong_unit(plain(span))):
            return Judgement("fail", f"{self.value:g} with the unit {quoted(unit)} in {quoted(span)}")
        if not good and span not in said and any(map(self._right, new)):
            return Judgement("needs_review", f"{quoted(span)} gives {self.value:g} among other numbers")
        if not good and span not in said and self._stated_elsewhere(output, span, given):
            return Judgement("needs_review", f"{quoted(span)} contradicts a sentence that gives {self.value:g}")
        settled = span in said and not output.rstrip().endswith(span)
        return self._said(good, f"number in {quoted(span)}", new[-1:], settled)

    def _news(self, span: str, given: set[float]) -> list[float]:
        """The numbers of a sentence that may be its answer: results after “=”, else those the prompt does not give."""
        results = [float(number.replace(",", "")) for number in _RESULT.findall(span)]
        if results:
            return results[-1:]
        found = [number for number in numbers(span) if number not in given]
        # A number in words counts as the value only: “one” and “two” are seldom answers.
        if any(next(places(word, span, True), None) is not None for word in in_words(self.value)):
            found.append(self.value)
        return found

    def _stated_elsewhere(self, output: str, span: str, given: set[float]) -> bool:
        others = [one for one in sentences(output) if one != span]
        return any(any(map(self._right, self._news(plain(one), given)[-1:])) for one in others)

    def _wrong_unit(self, span: str) -> str | None:
        for unit in self.wrong_units:
            if re.search(rf"(?<![\d.]){self.value:g}\s*{re.escape(plain(unit))}\b", span):
                return unit
        return None


@register("choice")
class Choice(Checker):
    """The output chooses one of the options, `answer`: the first that stands by itself, or the final one.

    `final`: the only option named; else the one in a box or after “the answer is”, else the one named alone in
    the first or in the last sentence that names any. Where these disagree, a person decides.
    """

    answer: Text
    options: Annotated[list[Text], Field(min_length=2)]
    ignore_case: bool = False
    which: Literal["first", "final"] = "first"

    @model_validator(mode="after")
    def _answer_is_offered(self) -> Choice:
        if self.answer not in self.options:
            raise ValueError(f"answer: found {self.answer!r}, allowed {', '.join(self.options)}")
        return self

    def check(self, output: str) -> Judgement:
        named = self._named(output)
        if not named:
            return Judgement("fail", f"names none of {', '.join(self.options)}")
        if self.which == "first" or len(named) == 1:
            return self._chosen(named[0], self.which == "first" and not self._ends_with(output, named[0]))
        said = [self._named(span) for span in announced(output)]
        single = [names[0] for names in said if len(names) == 1]
        if single:
            return self._chosen(single[-1], not output.rstrip().endswith(announced(output)[-1]))
        alone = [names[0] for one in sentences(output) if len(names := self._named(one)) == 1]
        if not alone:
            return Judgement("needs_review", f"names {', '.join(named)} and never one alone")
        return self._agreed({alone[0], alone[-1]})

    def _agreed(self, chosen: set[str]) -> Judgement:
        if len(chosen) > 1:
            return Judgement("needs_review", f"chooses {' and '.join(map(quoted, sorted(chosen)))}")
        return self._chosen(next(iter(chosen)))

    def _chosen(self, option: str, settled: bool = False) -> Judgement:
        return decide(option == self.answer, f"chooses {quoted(option)}, expected {quoted(self.answer)}", settled)

    def _ends_with(self, output: str, option: str) -> bool:
        return plain(output, self.ignore_case).endswith(plain(option, self.ignore_case))

    def _named(self, text: str) -> list[str]:
        """The options that stand by themselves in a text, in order, each once."""
        clean = plain(text, self.ignore_case)
        first = {option: next(places(plain(option, self.ignore_case), clean, True), None) for option in self.options}
        found = {option: place for option, place in first.items() if place is not None}
        return sorted(found, key=lambda option: (found[option], -len(option)))


@register("states")
class States(Checker):
    """The output states what `right` describes and nothing that `wrong` describes (patterns, Python `regex` syntax).

    Both: a person decides. Neither: `otherwise`.
    """

    right: Texts
    wrong: list[Text] = []
    otherwise: Literal["fail", "needs_review"] = "fail"
    ignore_case: bool = True

    @field_validator("right", "wrong")
    @classmethod
    def _compile(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return patterns

    def check(self, output: str) -> Judgement:
        try:
            right, wrong = self._match(self.right, output), self._match(self.wrong, output)
        except TimeoutError:
            return Judgement("needs_review", f"a pattern needed more than {REGEX_SECONDS:g} s")
        if right and wrong:
            return Judgement("needs_review", f"states {quoted(right)}, but also {quoted(wrong)}")
        if right:
            return Judgement("pass", f"states {quoted(right)}", settled=True)
        if wrong:
            return Judgement("fail", f"states {quoted(wrong)}", settled=True)
        return Judgement(self.otherwise, "states nothing that the rule knows")

    def _match(self, patterns: list[str], output: str) -> str | None:
        flags = regex.IGNORECASE if self.ignore_case else 0
        text = " ".join(output.replace("*", "").split())
        for pattern in patterns:
            found = regex.compile(pattern, flags).search(text, timeout=REGEX_SECONDS)
            if found:
                return str(found.group()) or " "
        return None
