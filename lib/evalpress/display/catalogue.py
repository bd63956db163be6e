"""A language's catalogue: English texts, with or without values in them, and what they are in that language.

A msgid is a text of the library as it is in the source: of f"{n} of {total} answers" the msgid is "{n} of {total}
answers". A text that is shown, or that results hold, is found again by matching it: exactly, or as a msgid with
values in its places. Values are translated in turn; a value that no msgid knows stays as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from evalpress.display import chinese
from evalpress.display.text_templates import FIELD, LETTERS, WORD, Template, index_of

LOCALE: Final = Path(__file__).resolve().parents[1] / "locale"
DOMAIN: Final = "evalpress"

_ENGLISH = re.compile(r"(?<![\w./=@-])[a-z][a-z']+(?![\w/=@(-])")
"""A word of running English; names with dots, slashes or digits in them are none."""
_STAYS: Final = frozenset({"ms", "vllm", "transformers", "torch", "logits", "softmax", "sdpa", "goodput", "nats"})
"""Names and units that are the same in every language."""
_EDGES = re.compile(r"(\s*)(.*?)(\s*)", re.DOTALL)
_NAME = re.compile(r"[\w.]*(?:_|\d)[\w./-]*")
"""A name with digits or underscores: an id, a file, a version."""
_PER_CENT = re.compile(r"(?<=[\d}]) %")
_KEPT = re.compile(r"“[^“”]*”|\"[^\"\n]*\"|`[^`]*`|\(?\[(?P<title>[^\]]+)\](?P<address>\(#[^)]*\))\)?")
"""Quotations and code, which are never translated, and links, of which the title is."""
_QUOTED = re.compile(r"[`“\"](\{\w*\})[`”\"]")
_FIRST, _FIRST_LINK = 0xE100, 0xE800
"""The first of the private characters that stand for what is kept. A link of ours is after its sentence."""
_SENTENCE_END = re.compile(r"(?<=[.!?\ue800-\uefff])\s+")
_STOP = re.compile(r"[.!?;:\ue800-\uefff]\s")
_STOP_OR_COMMA = re.compile(r"[.!?;:,\ue800-\uefff]\s| and | or ")
_SEPARATORS: Final = (
    ("; ", "；"),
    (": ", "："),
    (", ", "，"),
    (" and ", "和"),
    (" or ", "或"),
    (" · ", " · "),
    ("\n", "\n"),
)
_BRACKETS = re.compile(r"(.*?\S)\s*[(]([^()]*)[)](.*)", re.DOTALL)
_QUANTITY = re.compile(r"([−+]?\d[\d.,e−+]*) ([A-Za-z]+)")
_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_BETWEEN_WIDE = re.compile(f"(?<=[{_WIDE}]) (?=[{_WIDE}])|(?<=[，。；：（）、]) | (?=[，。；：（）、])")
_LIST = re.compile(r"(?P<head>(?:(?!; |: |\. ).)+?),? (?P<word>and|or) (?P<last>(?:(?!, |; |: |\. ).)+)")
_LAST: Final = {"and": "和", "or": "或"}
_LONGEST_ITEM: Final = 60
"""Letters of an item of a list; what is longer is a clause."""
_TWICE = re.compile(r"([\u4e00-\u9fff]{2})(?=\1)")
_WEAK: Final = 9
"""A msgid with fewer letters outside its fields matches only values without blanks, or values with a translation."""
_DEPTH: Final = 6
"""How deep values in values are translated."""


def path(language: str) -> Path:
    """The .po file of a language."""
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def fields(msgid: str) -> Counter[str]:
    """The names of the values in a msgid or its translation, each with how often it is there."""
    return Counter(FIELD.findall(msgid))


class Catalogue:
    """The translations of one language."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        known = {_key(msgid): _QUOTED.sub(r"\1", text) for msgid, text in messages.items()}
        plain = {msgid: text for msgid, text in known.items() if not FIELD.search(msgid)}
        self._exact = {_folded(msgid): text for msgid, text in plain.items()} | plain
        self._templates = index_of({msgid: text for msgid, text in known.items() if FIELD.search(msgid)})
        self.text = lru_cache(maxsize=20_000)(self._text)
        self._best = lru_cache(maxsize=50_000)(self._find_best)
        self._matches = lru_cache(maxsize=50_000)(self._find_matches)

    def _text(self, source: str) -> str:
        """`source` in this language; a text that is not in the catalogue stays unchanged."""
        if not LETTERS.search(source):
            return _PER_CENT.sub("%", source)
        kept: dict[str, str] = {}

        def keep(found: re.Match[str]) -> str:
            title = found["title"]
            mark = chr((_FIRST_LINK if title else _FIRST) + len(kept))
            kept[mark] = self._link(found) if title else found[0]
            return mark

        text = _PER_CENT.sub("%", source)
        if exact := self._exact.get(text):
            return chinese.alone(chinese.set_right(exact))
        bare = _KEPT.sub(keep, text)
        made = self._best(bare, 0)
        if made != bare:
            made = chinese.set_right(_TWICE.sub("", _BETWEEN_WIDE.sub("", made)))
        for mark, one in kept.items():
            made = made.replace(mark, one)
        return made

    def _link(self, found: re.Match[str]) -> str:
        """A link of ours with its title in this language."""
        link = f"[{self._best(found['title'], 0)}]{found['address']}"
        return f"（{link}）" if found[0].startswith("(") else link

    def _find_best(self, source: str, depth: int) -> str:
        """Of the ways in which a text can be made of msgids the one that leaves the least English."""
        found = _EDGES.fullmatch(source)
        if found is None or not LETTERS.search(source) or _NAME.fullmatch(source):
            return source
        before, text, after = found.groups()
        best, least = text, _english(text) or 1
        for made in self._ways(text, depth):
            left = _english(made)
            if left < least or (best == text and made != text and left == least):
                best, least = made, left
            if not least:
                break
        return f"{before}{best}{after}"

    def _ways(self, text: str, depth: int) -> Iterator[str]:
        exact = self._exact.get(text) or self._exact.get(_folded(text))
        if exact is not None:
            yield exact
            return
        if depth > _DEPTH:
            return
        yield from self._wholes(text, depth, without=_STOP_OR_COMMA)
        yield from self._list(text, depth)
        yield from self._wholes(text, depth, without=_STOP)
        yield from self._quantity(text)
        yield from self._in_parts(text, depth)
        yield from self._wholes(text, depth)

    def _wholes(self, text: str, depth: int, without: re.Pattern[str] | None = None) -> Iterator[str]:
        """`text` as one msgid, no value of which has `without` in it."""
        for template, match in self._matches(text):
            if without and any(map(without.search, match.groups())):
                continue
            values = {name: self._best(value, depth + 1) for name, value in match.groupdict().items()}
            if template.letters < _WEAK and any(_is_unknown(match[name], values[name]) for name in values):
                continue
            yield _filled(template.translation, values)

    def _find_matches(self, text: str) -> tuple[tuple[Template, re.Match[str]], ...]:
        """The templates that `text` can be, those with the most letters first."""
        words = {word.lower() for word in WORD.findall(text)} | {""}
        found = [one for word in words for one in self._templates.get(word, ()) if one.words <= words]
        matches = [(one, match) for one in found if (match := one.match(text))]
        return tuple(sorted(matches, key=lambda one: (-one[0].letters, one[0].pattern.pattern)))

    def _in_parts(self, text: str, depth: int) -> Iterator[str]:
        """A text that is several msgids one after the other, or a list of them."""
        if _SENTENCE_END.search(text):
            yield _joined(self._sentences(text, depth))
            return
        found = _BRACKETS.fullmatch(text)
        if found and not found[3]:
            yield from self._brackets(text, found, depth)
        for mark, here in _SEPARATORS:
            for parts in [text.split(mark), text.split(mark, 1)][: text.count(mark)]:
                made = [self._best(part, depth + 1) for part in parts]
                if mark.strip() in _LAST:
                    clause = any(" " in one and _english(one) for one in made)
                    yield text if clause else here.join(made)
                else:
                    yield text if made == parts else here.join(made)
        if text.endswith("."):
            yield f"{self._best(text[:-1], depth + 1)}。"
        if found and found[3]:
            yield from self._brackets(text, found, depth)

    def _brackets(self, text: str, found: re.Match[str], depth: int) -> Iterator[str]:
        """A text with something in brackets."""
        made = [self._best(part, depth + 1) for part in found.groups()]
        outer, inner, rest = made
        yield f"{outer}（{inner}）{rest}" if made != list(found.groups()) else text
        bracket = f"({found[2]})"
        if (here := self._best(bracket, depth + 1)) != bracket:
            yield outer + here + rest

    def _list(self, text: str, depth: int) -> Iterator[str]:
        """ "a, b and c" or "a and b", of which every item is known."""
        found = _LIST.fullmatch(text)
        items = [*found["head"].split(", "), found["last"]] if found else []
        if found is None or any(len(one) > _LONGEST_ITEM or one.count("(") != one.count(")") for one in items):
            return
        made = [self._best(item, depth + 1) for item in items]
        if not any(map(_english, made)):
            yield f"{'、'.join(made[:-1])}{_LAST[found['word']]}{made[-1]}"

    def _sentences(self, text: str, depth: int) -> Iterator[str]:
        """The longest runs of sentences that are msgids, each translated."""
        ends = [found.start() for found in _SENTENCE_END.finditer(text)] + [len(text)]
        starts = [0, *(found.end() for found in _SENTENCE_END.finditer(text))]
        at = 0
        while at < len(starts):
            for upto in range(len(ends), at, -1):
                part = text[starts[at] : ends[upto - 1]]
                new = None if part == text else self._run(part, depth)
                if new is None and upto == at + 1:
                    new = self._best(part, depth + 1)
                if new is not None:
                    yield new
                    at = upto
                    break

    def _run(self, part: str, depth: int) -> str | None:
        """A run of sentences as one msgid, or None; a list with semicolons in it may leave a few English words."""
        exact = self._exact.get(part) or self._exact.get(_folded(part))
        if made := exact or next(self._wholes(part, depth, without=_STOP), None):
            return made
        best = min(self._wholes(part, depth, without=_SENTENCE_END), key=_english, default=part)
        return best if 4 * _english(best) < _english(part) else None

    def _quantity(self, text: str) -> Iterator[str]:
        """A number with a unit that is a word, as in "12 tokens"."""
        found = _QUANTITY.fullmatch(text)
        unit = self._exact.get(found[2]) if found else None
        if found and unit:
            yield f"{found[1]} {unit}"


@lru_cache(maxsize=50_000)
def _english(text: str) -> int:
    """How many words of running English a text has, without names that stay."""
    return sum(word not in _STAYS for word in _ENGLISH.findall(text))


def _key(msgid: str) -> str:
    """A msgid as it is looked for: quotation marks around a value are part of the value."""
    return _PER_CENT.sub("%", _QUOTED.sub(r"\1", msgid))


def _filled(translation: str, values: Mapping[str, str]) -> str:
    return FIELD.sub(lambda field: values[f"v_{field[1]}"], translation)


def _folded(text: str) -> str:
    return text[:1].lower() + text[1:]


def _is_unknown(value: str, translated: str) -> bool:
    """Whether a value is running English text that was not translated as a whole; a name is none."""
    if _NAME.fullmatch(value) or len(WORD.findall(value)) < 2:
        return False
    return value == translated or bool(_ENGLISH.search(translated))


def _joined(parts: Iterable[str]) -> str:
    """Sentences one after the other: no blank after a full-width sign."""
    made = ""
    for part in parts:
        blank = " " if made and made[-1].isascii() else ""
        made += blank + part
    return made
