"""Markdown of ours as HTML: raw HTML, external pictures and active links are removed."""

from __future__ import annotations

from collections.abc import Sequence

import mistune
from mistune.util import safe_entity
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from evalpress.display.tables import escape_html

_FORMATTER = HtmlFormatter(nowrap=True)


def highlighted(source: str, language: str) -> str:
    """Code as escaped HTML with classes for its tokens; plain where the language is unknown."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape_html(source)
    return str(highlight(source, lexer, _FORMATTER))


def to_html(source: str, anchors: Sequence[str] = (), caption: str = "", demote: int = 0) -> str:
    """Markdown as HTML.

    Args:
        source: Markdown written by us.
        anchors: ids for its headings, in order; further headings get none.
        caption: for tables before the first heading; a table's caption is the heading above it.
        demote: how many levels its headings go down.
    """
    renderer = _Renderer(list(anchors), caption, demote)
    markdown = mistune.create_markdown(renderer=renderer, plugins=["table", "strikethrough"])
    return str(markdown(source))


class _Renderer(mistune.HTMLRenderer):
    """HTML that the page's content policy allows, with the page's own markup for headings, code and tables."""

    def __init__(self, anchors: list[str], caption: str, demote: int) -> None:
        super().__init__(escape=True)
        self._anchors, self._caption, self._demote = anchors, caption, demote

    def text(self, text: str) -> str:
        return safe_entity(text)  # mistune would show the character references of CommonMark as they are spelt

    def heading(self, text: str, level: int, **attrs: object) -> str:
        level = min(level + self._demote, 6)
        self._caption = text
        if not self._anchors:
            return f"<h{level}>{text}</h{level}>\n"
        anchor = escape_html(self._anchors.pop(0))
        link = f'<a class="ep-anchor" href="#{anchor}" aria-hidden="true" tabindex="-1">#</a>'
        return f'<h{level} id="{anchor}">{text}{link}</h{level}>\n'

    def block_code(self, code: str, info: str | None = None) -> str:
        language = (info or "").split(maxsplit=1)[0] if info else ""
        return f'<pre class="ep-block"><code>{highlighted(code.rstrip(), language).rstrip()}</code></pre>\n'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return f"[picture: {text}]"

    def table(self, text: str) -> str:
        caption = f"<caption>{self._caption}</caption>" if self._caption else ""
        return f'<div class="ep-table" role="region" tabindex="0"><table>{caption}{text}</table></div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        css = ' class="num"' if align == "right" else ""
        return f'<th scope="col"{css}>{text}</th>' if head else f"<td{css}>{text}</td>"
