"""Rules on enumerations: how many things are named, and whether they are the right ones."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, model_validator

from evalpress.sections.quality.checkers.answers import sentences
from evalpress.sections.quality.checkers.base import Checker, Judgement, decide, places, plain, quoted, register
from evalpress.sections.quality.checkers.text import Texts

_MARKED = re.compile(r"^\s*(?:\d{1,2}[.):、]|[-*•–])\s*(.+)$", re.MULTILINE)
_INLINE = re.compile(r"(?:^|\s)\d[.)]\s*(.+?)(?=\s\d[.)]\s|$)", re.DOTALL)
_HEAD = re.compile(r"^[\"'“‘*_\s]*(.+?)[\"'”’*_\s.!]*(?:\s[-–—]\s?.*|[:：(（].*|,\s.*)?$", re.DOTALL)
_BETWEEN = re.compile(r"\s*(?:,\s*and\s+|,\s*or\s+|,|、|，|;|\band\b|\bor\b|&|和|\n)\s*")


def enumerated(text: str) -> list[str]:
    """The things that a text lists: marked lines, else numbers in a line, else parts between commas.

    Of a marked line only the head counts, not an explanation after a dash, a colon or a comma.
    """
    marked = _MARKED.findall(text)
    if len(marked) < 2:
        inline = _INLINE.findall(" ".join(text.split()))
        marked = inline if len(inline) >= 2 else []
    if marked:
        return [_HEAD.sub(r"\1", line.strip(), count=1).strip("\"'“”‘’*_ .!") for line in marked]
    listed = max(sentences(text), key=lambda one: len(_BETWEEN.findall(one)), default="")
    listed = listed.rpartition(":")[2] if ":" in listed else re.sub(r"^.*\b(?:are|include|is)\b", "", listed)
    parts = [part.strip("\"'“”‘’*_ .!") for part in _BETWEEN.split(listed)]
    return [part for part in parts if part]


@register("items")
class Items(Checker):
    """The output lists exactly `count` different things, each of at most `max_words` words."""

    count: Annotated[int, Field(ge=1)]
    max_words: Annotated[int, Field(ge=1)] = 4

    def check(self, output: str) -> Judgement:
        found = enumerated(output)
        shown = ", ".join(map(quoted, found[:8])) or "nothing"
        long = [item for item in found if len(item.split()) > self.max_words]
        if len(found) < min(2, self.count):
            return Judgement("fail", f"lists nothing: {shown}")
        if long:
            return Judgement("needs_review", f"lists {shown}: longer than {self.max_words} words")
        different = len({plain(item) for item in found})
        good = different == len(found) == self.count
        return decide(good, f"lists {shown}; expected {self.count} different")


@register("named")
class Named(Checker):
    """The first different things named from a known vocabulary are exactly one of `sets`, without a further one.

    `options` gives each thing with its synonyms; `sets` names things by their first word. Things named in later
    sentences are taken for explanation. A right set that does not come first is left to a person.
    """

    options: Annotated[list[Texts], Field(min_length=2)]
    sets: Annotated[list[Texts], Field(min_length=1)]

    @model_validator(mode="after")
    def _sets_are_known(self) -> Named:
        known = {option[0] for option in self.options}
        for wanted in self.sets:
            for name in wanted:
                if name not in known:
                    raise ValueError(f"sets: found {name!r}, allowed {', '.join(sorted(known))}")
        return self

    def check(self, output: str) -> Judgement:
        named = self._named(output)
        sets = [set(wanted) for wanted in self.sets]
        size = len(sets[0])
        shown = ", ".join(named[:8]) or "none"
        if set(named) in sets:
            return Judgement("pass", f"names {shown}")
        if set(named[:size]) in sets:
            if self._beside(output, named[size - 1], named[size]):
                return Judgement("needs_review", f"names {shown}")
            return Judgement("pass", f"names {shown}", settled=True)
        if any(wanted <= set(named) for wanted in sets):
            return Judgement("needs_review", f"names {shown}; the right ones are not the first")
        return Judgement("fail", f"names {shown}; expected {' or '.join(', '.join(wanted) for wanted in self.sets)}")

    def _beside(self, output: str, last: str, further: str) -> bool:
        """Whether the further thing belongs to the list: same sentence, or both on lines of their own mark."""
        together = any({last, further} <= set(self._named(one)) for one in sentences(output))
        heads = [name for line in _MARKED.findall(output) for name in self._named(line)[:1]]
        return together or (last in heads and further in heads)

    def _named(self, text: str) -> list[str]:
        clean = plain(text)
        first = {
            option[0]: min((at for word in option for at in places(plain(word), clean, True)), default=None)
            for option in self.options
        }
        found = {name: at for name, at in first.items() if at is not None}
        return sorted(found, key=lambda name: found[name])
