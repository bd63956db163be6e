"""Rules on the text itself: what it contains, how long it is, in which script, whether it loops."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Annotated, Any, Literal

import regex
from pydantic import Field, field_validator, model_validator

from evalpress.sections.quality.checkers.base import (
    Checker,
    Judgement,
    decide,
    is_chinese,
    occurs,
    plain,
    quoted,
    register,
)

Text = Annotated[str, Field(pattern=r"\S")]
Texts = Annotated[list[Text], Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]

REGEX_SECONDS = 1.0
"""Longest time that one pattern may search one output."""


@register("contains")
class Contains(Checker):
    """All texts of `all` and at least one of `any` occur; `whole`: not inside a longer word or number.

    A list in place of the arguments is `all`.
    """

    all: list[Text] = []
    any: list[Text] = []
    ignore_case: bool = True
    whole: bool = True

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_all(cls, given: Any) -> Any:
        return {"all": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _asks_something(self) -> Contains:
        if not (self.all or self.any):
            raise ValueError("give texts in 'all' or in 'any'")
        return self

    def check(self, output: str) -> Judgement:
        text = plain(output, self.ignore_case)
        found = {phrase: occurs(plain(phrase, self.ignore_case), text, self.whole) for phrase in (*self.all, *self.any)}
        missing = [phrase for phrase in self.all if not found[phrase]]
        if missing:
            return Judgement("fail", f"does not contain {', '.join(map(quoted, missing))}")
        present = [phrase for phrase in self.any if found[phrase]]
        if self.any and not present:
            return Judgement("fail", f"contains none of {', '.join(map(quoted, self.any))}")
        return Judgement("pass", f"contains {', '.join(map(quoted, [*self.all, *present]))}", True)


@register("regex")
class Regex(Checker):
    """The pattern is found, or with `full` matches the whole stripped output (Python `regex` syntax)."""

    pattern: Text
    ignore_case: bool = False
    full: bool = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            regex.compile(pattern)
        except regex.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return pattern

    def check(self, output: str) -> Judgement:
        compiled = regex.compile(self.pattern, regex.IGNORECASE if self.ignore_case else 0)
        text = output.strip()
        try:
            match = (compiled.fullmatch if self.full else compiled.search)(text, timeout=REGEX_SECONDS)
        except TimeoutError:
            return Judgement("needs_review", f"{quoted(self.pattern)} needed more than {REGEX_SECONDS:g} s")
        if match:
            settled = not self.full and "$" not in self.pattern
            return Judgement("pass", f"{quoted(match.group())} matches {quoted(self.pattern)}", settled)
        return Judgement("fail", f"nothing matches {quoted(self.pattern)}")


@register("exact")
class Exact(Checker):
    """The output is one of `values`, apart from surrounding and repeated spaces."""

    values: Texts
    ignore_case: bool = False

    def check(self, output: str) -> Judgement:
        good = plain(output, self.ignore_case) in [plain(value, self.ignore_case) for value in self.values]
        wanted = " or ".join(map(quoted, self.values))
        return decide(good, f"is exactly {wanted}" if good else f"is {quoted(output)}, expected {wanted}")


class _Bounds(Checker):
    """A count between `min` and `max`, at least one of them given."""

    min: Count | None = None
    max: Count | None = None

    @model_validator(mode="after")
    def _bounded(self) -> _Bounds:
        if self.min is None and self.max is None:
            raise ValueError("give 'min', 'max' or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min: found {self.min}, allowed at most max = {self.max}")
        return self

    @abstractmethod
    def count(self, output: str) -> int:
        """What is counted in the output."""

    def check(self, output: str) -> Judgement:
        found, low, high = self.count(output), self.min or 0, self.max
        wanted = f"at least {low}" if high is None else f"{low}" if low == high else f"{low} to {high}"
        good, over = low <= found and (high is None or found <= high), high is not None and found > high
        return decide(good, f"{found} {self.counted}, expected {wanted}", over or (good and high is None))

    @property
    def counted(self) -> str:
        """The name of what is counted, for the reason."""
        return self.name


@register("lines")
class Lines(_Bounds):
    """The number of lines that are not blank."""

    def count(self, output: str) -> int:
        return sum(bool(line.strip()) for line in output.splitlines())


@register("length")
class Length(_Bounds):
    """The number of characters without surrounding space, or of words (a Chinese character is one word)."""

    unit: Literal["characters", "words"] = "characters"

    def count(self, output: str) -> int:
        if self.unit == "characters":
            return len(output.strip())
        return sum(token[0].isalnum() for token in tokens(output))

    @property
    def counted(self) -> str:
        return self.unit


@register("language")
class Language(Checker):
    """At least `share` of the letters are Chinese characters (zh) or Latin (en): script, not grammar."""

    language: Literal["en", "zh"]
    share: Share = 0.5

    def check(self, output: str) -> Judgement:
        letters = [character for character in output if character.isalpha()]
        if not letters:
            return Judgement("fail", "contains no letters")
        belongs = is_chinese if self.language == "zh" else _is_latin
        found = sum(map(belongs, letters)) / len(letters)
        script = "Chinese characters" if self.language == "zh" else "Latin letters"
        return decide(
            found >= self.share,
            f"{found:.0%} of the letters are {script}, expected at least {self.share:.0%}",
        )


def _is_latin(character: str) -> bool:
    return character.isascii() or "\u00c0" <= character <= "\u024f"


@register("repetition")
class Repetition(Checker):
    """No phrase of at most 64 words occurs `max_repeats` times in a row or more: a degenerate loop.

    Signs in a row are one word; a row of more than `_MOST_SIGNS`, made of one to four signs repeatedly, is a loop
    as well, while a shorter one may be a ruler or the line of a table.
    """

    max_repeats: Annotated[int, Field(ge=2)] = 4
    min_words: Annotated[int, Field(ge=1)] = 12
    """Shorter loops are not counted: “ha ha ha ha” is no degeneration."""

    def check(self, output: str) -> Judgement:
        words = tokens(plain(output))
        if signs := next((word for word in words if _is_loop_of_signs(word)), None):
            return Judgement("fail", f"repeats {quoted(signs, 8)}, {len(signs)} signs in a row", settled=True)
        for period in range(1, min(64, len(words) // 2) + 1):
            run = 0
            for at in range(period, len(words)):
                run = run + 1 if words[at] == words[at - period] else 0
                if run + period >= max(self.max_repeats * period, self.min_words):
                    phrase = " ".join(words[at - period + 1 : at + 1])
                    reason = f"repeats {quoted(phrase)} at least {run // period + 1} times in a row"
                    return Judgement("fail", reason, settled=True)
        return Judgement("pass", f"no phrase stands {self.max_repeats} times in a row")


_MOST_SIGNS = 150
"""The longest row of the same signs that is no loop: rulers and lines of tables are as wide as a screen."""


def _is_loop_of_signs(word: str) -> bool:
    if len(word) <= _MOST_SIGNS:
        return False
    return any(word[:-period] == word[period:] for period in range(1, 5))


_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_TOKEN = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+|[^\w\s]+")


def tokens(text: str) -> list[str]:
    """Words, single Chinese characters and runs of signs."""
    return _TOKEN.findall(text)


@register("key_points")
class KeyPoints(Checker):
    """At least the share `recall` of the points is mentioned; any phrase of a point's list counts."""

    points: Annotated[list[Texts], Field(min_length=1)]
    recall: Share = 1.0
    whole: bool = True

    def check(self, output: str) -> Judgement:
        text = plain(output)
        missed = [point[0] for point in self.points if not any(occurs(plain(p), text, self.whole) for p in point)]
        hits, n = len(self.points) - len(missed), len(self.points)
        lack = f"; not mentioned: {', '.join(map(quoted, missed))}" if missed else ""
        good = hits / n >= self.recall
        return decide(good, f"{hits} of {n} key points, expected at least {self.recall:.0%}{lack}", good)
