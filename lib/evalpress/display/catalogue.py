"""A language's catalogue: English texts, with or without values in them, and what they are in that language.

A msgid is a text of the library as it is in the source: of f"{n} of {total} answers" the msgid is "{n} of {total}
answers". A text that is shown, or that results hold, is found again by matching it: exactly, or as a msgid with
values in its places. Values are translated in turn; a value that no msgid knows stays as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

LOCALE: Final = Path(__file__).resolve().parents[1] / "locale"
DOMAIN: Final = "evalpress"

_FIELD = re.compile(r"\{(\w*)\}")
_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{3,}(?![A-Za-z])")
_EDGES = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)
_LETTERS = re.compile(r"[A-Za-z]")
_SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+")
_STOP = re.compile(r"[.!?]\s")
_SEPARATORS: Final = (("; ", "；"), (": ", "："), (", ", "，"), (" and ", "和"), ("\n", "\n"))
_BRACKETS = re.compile(r"(.*?\S)\s*[(]([^()]*)[)](.*)", re.DOTALL)
_QUANTITY = re.compile(r"([−+]?\d[\d.,e−+]*) ([A-Za-z]+)")
_WEAK: Final = 9
"""A msgid with fewer letters outside its fields matches only values without blanks, or values with a translation."""
_DEPTH: Final = 4
"""How deep values in values are translated."""


def path(language: str) -> Path:
    """The .po file of a language."""
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def fields(msgid: str) -> Counter[str]:
    """The names of the values in a msgid or its translation, each with how often it is there."""
    return Counter(_FIELD.findall(msgid))


@dataclass(frozen=True)
class _Template:
    """A msgid with values in it."""

    pattern: re.Pattern[str]
    names: tuple[str, ...]
    translation: str
    letters: int


class Catalogue:
    """The translations of one language."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        self._exact = {_folded(msgid): text for msgid, text in messages.items() if not _FIELD.search(msgid)}
        self._templates = _index({k: v for k, v in messages.items() if _FIELD.search(k)})
        self.text = lru_cache(maxsize=20_000)(self._text)

    def _text(self, source: str, depth: int = 0) -> str:
        """`source` in this language; a text that is not in the catalogue stays unchanged."""
        found = _EDGES.fullmatch(source)
        if found is None or not _LETTERS.search(source):
            return source
        before, inner, after = found.groups()
        made = self._whole(inner, depth) or self._in_parts(inner, depth)
        if made == inner:
            made = self._whole(inner, depth, whole_sentences=False) or inner
        return f"{before}{made}{after}"

    def _whole(self, text: str, depth: int, *, whole_sentences: bool = True) -> str | None:
        """`text` as one msgid; with `whole_sentences` no value in it reaches over the end of a sentence."""
        exact = self._exact.get(_folded(text))
        if exact is not None:
            return exact
        if depth > _DEPTH:
            return None
        for template in self._candidates(text):
            match = template.pattern.fullmatch(text)
            if match is None or (whole_sentences and any(map(_STOP.search, match.groups()))):
                continue
            values = {name: self.text(value, depth + 1) for name, value in match.groupdict().items()}
            if template.letters < _WEAK and any(_is_unknown(match[name], values[name]) for name in values):
                continue
            return _filled(template.translation, values)
        return _quantity(self, text)

    def _candidates(self, text: str) -> Iterator[_Template]:
        """Templates that may match, those with the most letters first."""
        words = {word.lower() for word in _WORD.findall(text)} | {""}
        found = {id(one): one for word in words for one in self._templates.get(word, ())}
        return iter(sorted(found.values(), key=lambda one: -one.letters))

    def _in_parts(self, text: str, depth: int) -> str:
        """A text that is several msgids one after the other, or a list of them."""
        pieces = _SENTENCE_END.split(text)
        if len(pieces) > 1:
            told = list(self._sentences(text, depth))
            if any(new != old for old, new in told):
                return _joined(new for _, new in told)
        for mark, here in _SEPARATORS:
            parts = text.split(mark)
            if len(parts) > 1:
                made = [self.text(part, depth + 1) for part in parts]
                if made != parts and depth <= _DEPTH:
                    return here.join(made)
        if (found := _BRACKETS.fullmatch(text)) and depth <= _DEPTH:
            outer, inner, rest = found.groups()
            made = [self.text(part, depth + 1) for part in (outer, inner, rest)]
            if made != [outer, inner, rest]:
                return f"{made[0]}（{made[1]}）{made[2]}"
        return text

    def _sentences(self, text: str, depth: int) -> Iterator[tuple[str, str]]:
        """The longest runs of sentences that are msgids, each with its translation."""
        ends = [found.start() for found in _SENTENCE_END.finditer(text)]
        starts = [0, *(found.end() for found in _SENTENCE_END.finditer(text))]
        ends.append(len(text))
        at = 0
        while at < len(starts):
            last = len(ends) if at else len(ends) - 1
            for upto in range(last, at, -1):
                part = text[starts[at] : ends[upto - 1]]
                new = self._whole(part, depth)
                if new is None and upto == at + 1:
                    new = self._in_parts(part, depth) if part != text else part
                if new is not None:
                    yield part, new
                    at = upto
                    break


def _filled(translation: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: values[f"v_{field[1]}"], translation)


def _index(messages: Mapping[str, str]) -> dict[str, list[_Template]]:
    """Templates by the rarest word that any text of theirs has; "" for those without a word."""
    words = {
        msgid: [word.lower() for part in _FIELD.split(msgid)[::2] for word in _inner_words(part)] for msgid in messages
    }
    counts = Counter(word for found in words.values() for word in set(found))
    index: dict[str, list[_Template]] = {}
    for msgid, translation in messages.items():
        rarest = min(words[msgid], key=lambda word: (counts[word], word), default="")
        index.setdefault(rarest, []).append(_template(msgid, translation))
    return index


def _inner_words(msgid: str) -> list[str]:
    """The words of a msgid that are in every text of it: no value can prolong them, no capital differs."""
    bare = [re.sub(r"^[A-Za-z]+|[A-Za-z]+$", "", part) for part in _FIELD.split(msgid)[::2]]
    return [word.lower() for part in bare for word in _WORD.findall(part)]


def _template(msgid: str, translation: str) -> _Template:
    parts = _FIELD.split(msgid)
    names, pattern = parts[1::2], ""
    for index, part in enumerate(parts):
        pattern += f"(?P<v_{part}>.*?)" if index % 2 else _literal(part, first=index == 0)
    letters = sum(len(_LETTERS.findall(part)) for part in parts[::2])
    return _Template(re.compile(pattern, re.DOTALL), tuple(names), translation, letters)


def _literal(part: str, *, first: bool) -> str:
    """A literal part as a pattern; the first letter of a sentence may have been made a capital."""
    if first and part[:1].isalpha():
        return f"(?i:{re.escape(part[0])}){re.escape(part[1:])}"
    return re.escape(part)


def _folded(text: str) -> str:
    return text[:1].lower() + text[1:]


def _is_unknown(value: str, translated: str) -> bool:
    """Whether a value is running English text that was not translated."""
    return value == translated and len(_WORD.findall(value)) > 1


def _quantity(catalogue: Catalogue, text: str) -> str | None:
    """ "12 tokens": a number with a unit that is a word."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    unit = catalogue.text(found[2], _DEPTH + 1)
    return None if unit == found[2] else f"{found[1]} {unit}"


def _joined(parts: Iterable[str]) -> str:
    """Sentences one after the other: no blank after a full-width sign."""
    made = ""
    for part in parts:
        blank = " " if made and made[-1].isascii() else ""
        made += blank + part
    return made
