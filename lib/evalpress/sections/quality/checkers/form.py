"""Rules on form: how many sentences, how many lines of verse."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from evalpress.sections.quality.checkers.answers import sentences
from evalpress.sections.quality.checkers.base import Checker, Judgement, is_chinese, quoted, register
from evalpress.sections.quality.checkers.text import tokens

_AROUND = re.compile(
    r"^(?:[#*_\"“”《》【】\s]*"
    r"(?:title|here|sure|certainly|of course|note|explanation|this (?:poem|haiku)|标题|题目|诗名|这首).*"
    r"|.*[:：]\s*|#.*|\*\*.*\*\*|《.*》|[-–—*_\s]+)$",
    re.IGNORECASE,
)
VERSE_WORDS = 15
"""Words of a line (25 Chinese characters) above which it is prose."""


@register("sentences")
class Sentences(Checker):
    """At most `max` sentences. One more is left to a person, because punctuation may be ambiguous."""

    max: Annotated[int, Field(ge=1)]

    def check(self, output: str) -> Judgement:
        found = len([one for one in sentences(output) if any(map(str.isalnum, one))])
        reason = f"{found} sentences, expected at most {self.max}"
        if found > self.max + 1:
            return Judgement("fail", reason, settled=True)
        return Judgement("pass" if found <= self.max else "needs_review", reason)


@register("verse")
class Verse(Checker):
    """The output is a poem of exactly `lines` lines, apart from a title, an introduction and a remark.

    More or fewer lines fail. Lines as long as prose, and Chinese lines of several clauses, are left to a person.
    """

    lines: Annotated[int, Field(ge=1)]

    def check(self, output: str) -> Judgement:
        written = [line.strip() for line in output.splitlines() if line.strip()]
        verse = [line for line in written if not _AROUND.match(line)]
        reason = f"{len(verse)} lines of verse, expected {self.lines}"
        if len(verse) > self.lines:
            return Judgement("fail", reason, settled=len(verse) > self.lines + 1)
        if len(verse) < self.lines:
            clauses = [part for part in re.split(r"[，。！？；,.;!?]", "".join(verse)) if part.strip()]
            several = len(clauses) == self.lines and any(map(is_chinese, output))
            return Judgement("needs_review" if several else "fail", reason)
        long = [line for line in verse if len(tokens(line)) > (25 if any(map(is_chinese, line)) else VERSE_WORDS)]
        if long:
            return Judgement("needs_review", f"{reason}, of which {quoted(long[0])} is as long as prose")
        return Judgement("pass", reason)
