"""Texts of any kind, and Markdown read back by CommonMark."""

from __future__ import annotations

import html5lib
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


def fragment(html: str):
    """The DOM of a fragment; html5lib raises on anything that is not valid."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parseFragment(html)


def read_table(markdown: str) -> list[list[str]]:
    """The cells of the only table in a Markdown text, as a reader sees them."""
    tokens = READER.parse(markdown)
    assert sum(token.type == "table_open" for token in tokens) == 1
    rows: list[list[str]] = []
    for before, token in zip(tokens, tokens[1:], strict=False):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("th_open", "td_open"):
            assert {child.type for child in token.children} <= HARMLESS
            rows[-1].append("".join(child.content for child in token.children))
    return rows
