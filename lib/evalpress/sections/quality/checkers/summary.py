"""The rule on summaries: shorter than the text, not a copy of it, with its points and without new facts."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Annotated

from pydantic import Field

from evalpress.sections.quality.checkers.base import Checker, Judgement, is_chinese, occurs, plain, quoted, register
from evalpress.sections.quality.checkers.text import Share, Texts, tokens

_INTRODUCTION = re.compile(
    r"^\s*(?:here(?:'s| is)[^:\n]*:|(?:a )?(?:brief |short )?summary[^:\n]{0,40}:|总结[:：])\s*", re.I
)
_SMALL = set(
    re.findall(
        r"\w+",
        "a an and are as at be been but by for from has have in into is it its of on or so that the their them they "
        "this to was were which who will with would can could also not more most many much very such these those there",
    )
)


def words_of(text: str) -> list[str]:
    """Words without signs; a Chinese character is one word."""
    return [token for token in tokens(plain(text)) if token[0].isalnum()]


def copied(summary: str, source: str) -> float:
    """Share of the summary's words that are in the source in runs of four or more words (eight Chinese)."""
    ours, theirs = words_of(summary), words_of(source)
    if not ours:
        return 0.0
    shortest = 8 if sum(map(is_chinese, summary)) * 2 > len(summary) else 4
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size >= shortest) / len(ours)


@register("summary")
class Summary(Checker):
    """A summary of the text in the prompt.

    Fails when it is longer than the text, repeats it word for word, or mentions too few of the points. Passes when all
    points are there in fewer words than `max_share` of the text's, without new numbers, and not in whole sentences of
    it or mostly in words that it does not use. Cases in between are left to a person.
    """

    points: Annotated[list[Texts], Field(min_length=1)]
    recall: Share = 0.66
    max_share: Annotated[float, Field(gt=0, le=2)] = 0.8

    def check(self, output: str) -> Judgement:
        source = self._source()
        text = _INTRODUCTION.sub("", output.strip()).strip()
        n, whole = len(words_of(text)), len(words_of(source))
        if not n:
            return Judgement("fail", "contains no words")
        share, hits = n / whole, self._hits(text)
        facts = f"{n} of {whole} words, {hits} of {len(self.points)} key points, {copied(text, source):.0%} copied"
        if share > 1.0:
            return Judgement("fail", f"longer than the text: {facts}", settled=True)
        if hits / len(self.points) < self.recall:
            return Judgement("fail", f"lacks key points: {facts}")
        if copied(text, source) > 0.9 and share > 0.9:
            return Judgement("fail", f"repeats the text: {facts}")
        doubt = self._doubt(text, source, hits, share)
        return Judgement("needs_review", f"{doubt}: {facts}") if doubt else Judgement("pass", facts)

    def _hits(self, text: str) -> int:
        clean = plain(text)
        return sum(any(occurs(plain(word), clean, True) for word in point) for point in self.points)

    def _doubt(self, text: str, source: str, hits: int, share: float) -> str | None:
        """Why a person must read it, or None."""
        new = sorted(set(re.findall(r"\d+", text)) - set(re.findall(r"\d+", source)))
        if new:
            return f"gives numbers that the text does not give in digits ({', '.join(new[:4])})"
        known = set(words_of(source))
        content = [word for word in words_of(text) if word not in _SMALL and not is_chinese(word[0])]
        foreign = [word for word in content if not any(word[:4] == other[:4] for other in known)]
        if share > self.max_share:
            return "hardly shorter than the text"
        if hits < len(self.points):
            return "not all key points"
        if content and len(foreign) / len(content) > 0.4:
            return f"mostly words that the text does not use ({quoted(' '.join(foreign[:5]))})"
        if copied(text, source) > 0.9 and share > 0.5:
            return "sentences of the text, word for word"
        return None

    def _source(self) -> str:
        """The text to be summed up: the prompt without the request at its end."""
        return re.sub(r"(?:Summary:|请用一句话总结[:：]?)\s*$", "", self._question.prompt.strip())
