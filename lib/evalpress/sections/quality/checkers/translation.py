"""The rule on translations: finds the translation in the output and compares it with the accepted ones."""

from __future__ import annotations

import re
from typing import Literal

import regex
from pydantic import field_validator

from evalpress.sections.quality.checkers.answers import sentences
from evalpress.sections.quality.checkers.base import Checker, Judgement, is_chinese, plain, quoted, register
from evalpress.sections.quality.checkers.text import REGEX_SECONDS, Texts

_QUOTED = re.compile(r"[\"“「『«']([^\"”」』»\n]{1,200}?)[\"”」』»'](?!\w)")
_SIGNS = " \t.,;:!?*_`~()[]。，；：！？、…—–-\"'“”‘’「」『』«»"
_FRAME_ZH = re.compile(r"^.*(?:翻译成|翻译为|翻译是|译为|译成|中文是|中文为|意思是|翻译|中文|汉语)(?:是|为|成)?")
_FRAME = re.compile(
    r"\b(translat\w*|means?|in (english|french|chinese)|english|french|chinese|is|翻译\w*|英文\w*)\b", re.I
)


@register("translation")
class Translation(Checker):
    """The output gives one of the accepted translations and no other.

    `accept`: patterns (Python `regex` syntax, case ignored) that a whole piece must match, without signs around it.
    `mentions`: words of which an acceptable translation in other words has at least one for each entry; such an
    output is left to a person, one without fails. `fixed`: no other wording counts, so that a short answer
    which is not accepted fails.
    """

    to: Literal["en", "zh", "fr"]
    accept: Texts
    mentions: list[Texts] = []
    fixed: bool = False

    @field_validator("accept")
    @classmethod
    def _compile(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return patterns

    def check(self, output: str) -> Judgement:
        pieces = [piece for piece in self._pieces(output) if plain(piece) not in plain(self._question.prompt)]
        if not pieces:
            return Judgement("fail", f"contains no translation: {quoted(output)}")
        accepted = [piece for piece in pieces if self._accepted(piece)]
        if accepted and self._first_is_good(pieces):
            ends = output.rstrip(_SIGNS).endswith(accepted[0].rstrip(_SIGNS))
            return Judgement("pass", f"translates as {quoted(accepted[0])}", settled=not ends)
        if accepted:
            return Judgement("needs_review", f"gives {quoted(accepted[0])}, but first {quoted(pieces[0])}")
        text = plain(output)
        near = self._mentioned(text)
        if near and not (self.fixed and len(text) <= 60):
            return Judgement("needs_review", f"no accepted wording, but close to one: {quoted(pieces[0])}")
        return Judgement("fail", f"gives {quoted(pieces[0])}, which is no accepted translation")

    def _first_is_good(self, pieces: list[str]) -> bool:
        """Every piece before the first accepted one contains it: a frame such as “In French it is …”."""
        for piece in pieces:
            if self._accepted(piece):
                return True
            if not any(plain(other) in plain(piece) for other in pieces if self._accepted(other)):
                return False
            if self.to != "zh" and not _FRAME.search(piece):
                return False
        return False

    def _accepted(self, piece: str) -> bool:
        text = " ".join(piece.split()).strip(_SIGNS)
        return any(
            regex.compile(pattern, regex.IGNORECASE).fullmatch(text, timeout=REGEX_SECONDS) for pattern in self.accept
        )

    def _mentioned(self, text: str) -> bool:
        groups = self.mentions or []
        return bool(groups) and all(any(plain(word) in text for word in group) for group in groups)

    def _pieces(self, output: str) -> list[str]:
        """What may be the translation, in order of the text: quotations, what follows a colon, whole sentences."""
        if self.to == "zh":
            return _chinese_pieces(output)
        found: list[tuple[int, str]] = []
        for one in sentences(output):
            at = output.find(one)
            found.append((at, one))
            found += [(at + match.start(), match.group(1)) for match in _QUOTED.finditer(one)]
            if ":" in one or "：" in one:
                found.append((at + 1, re.split("[:：]", one)[-1]))
        pieces = [piece for _, piece in sorted(found, key=lambda pair: pair[0])]
        return [piece for piece in pieces if any(c.isalpha() and not is_chinese(c) for c in piece)]


def _chinese_pieces(output: str) -> list[str]:
    """Runs of Chinese text (commas inside, Latin letters such as AI too), without words that announce a translation."""
    runs = re.findall(r"[\u3400-\u9fff][\u3400-\u9fff，, A-Za-z]*", output)
    pieces = [_FRAME_ZH.sub("", run).strip(_SIGNS) for run in runs]
    return [re.sub(r"[ ，,]+[A-Za-z ,]*$", "", piece) for piece in pieces if any(map(is_chinese, piece))]
