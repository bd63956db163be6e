"""Texts of any kind, and Markdown read back by CommonMark."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

ANYTHING = st.text(st.characters(exclude_categories=()))


SPECIAL = st.text(st.sampled_from("`|\\*_[]()<>&~$#+-=.!: \n\t1a&;\u202e\x00"))


calm = settings(deadline=None, max_examples=60)  # the machine may be busy


READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


HARMLESS = {"text", "code_inline", "softbreak", "strong_open", "strong_close"}


def squeezed(text: str) -> str:
    return " ".join(text.split())


def read_inline(markdown: str) -> str:
    """The text of Markdown that must be one paragraph without any markup but code spans."""
    tokens = READER.parse(markdown)
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    children = tokens[1].children if tokens else []
    assert {child.type for child in children} <= HARMLESS
    return "".join(" " if child.type == "softbreak" else child.content for child in children)
