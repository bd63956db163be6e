"""Msgids with values in them as patterns, and an index that finds the few that a text can be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

FIELD = re.compile(r"\{(\w*)\}")
WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{3,}(?![A-Za-z])")
LETTERS = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Template:
    """A msgid with values in it."""

    pattern: re.Pattern[str]
    literals: tuple[str, ...]
    """What is between the values, in order; without the first letter, which may be a capital."""
    words: frozenset[str]
    """Words that every such text has."""
    translation: str
    letters: int

    def match(self, text: str) -> re.Match[str] | None:
        """`text` as this msgid. Most texts are refused without the pattern, which is slow on long ones."""
        at = 0
        for literal in self.literals:
            at = text.find(literal, at) + len(literal)
            if at < len(literal):
                return None
        return self.pattern.fullmatch(text) if text.endswith(self.literals[-1]) else None


def index_of(messages: Mapping[str, str]) -> dict[str, list[Template]]:
    """Templates by the rarest word that any text of theirs has; "" for those without a word."""
    words = {
        msgid: [word.lower() for part in FIELD.split(msgid)[::2] for word in inner_words(part)] for msgid in messages
    }
    counts = Counter(word for found in words.values() for word in set(found))
    index: dict[str, list[Template]] = {}
    for msgid, translation in messages.items():
        rarest = min(words[msgid], key=lambda word: (counts[word], word), default="")
        index.setdefault(rarest, []).append(template(msgid, translation))
    return index


def inner_words(msgid: str) -> list[str]:
    """The words of a msgid that are in every text of it: no value can prolong them, no capital differs."""
    bare = [re.sub(r"^[A-Za-z]+|[A-Za-z]+$", "", part) for part in FIELD.split(msgid)[::2]]
    return [word.lower() for part in bare for word in WORD.findall(part)]


def template(msgid: str, translation: str) -> Template:
    parts = FIELD.split(msgid)
    pattern = ""
    for index, part in enumerate(parts):
        pattern += f"(?P<v_{part}>.*?)" if index % 2 else _literal(part, first=index == 0)
    letters = sum(len(LETTERS.findall(part)) for part in parts[::2])
    literals = (parts[0][1:] if parts[0][:1].isalpha() else parts[0], *parts[2::2])
    words = frozenset(inner_words(msgid))
    return Template(re.compile(pattern, re.DOTALL), literals, words, translation, letters)


def _literal(part: str, *, first: bool) -> str:
    """A literal part as a pattern; the first letter of a sentence may have been made a capital."""
    if first and part[:1].isalpha():
        return f"(?i:{re.escape(part[0])}){re.escape(part[1:])}"
    return re.escape(part)
