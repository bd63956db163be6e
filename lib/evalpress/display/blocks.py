"""Display objects other than tables: code, badges, prose, expandable text.

What is in a sentence or a cell has `html()`, `markdown()` and `plain()`. What is alone in a notebook
has `_repr_mimebundle_` and carries a mark by which the report recognises it: an output without the mark
is never trusted as HTML or Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol, runtime_checkable

from evalpress.core.plain import Json
from evalpress.display import language
from evalpress.display import text as t
from evalpress.display.values import Number, number

MimeBundle = tuple[Json, Json]

SYMBOLS = {
    "pass": "✓", "ok": "✓", "done": "✓", "steady": "✓",
    "warn": "▲", "fair": "▲",
    "fail": "✗", "failed": "✗", "unsteady": "✗",
    "needs_review": "?", "cut": "…", "error": "✗",
    "skipped": "–", "info": "•",
}  # fmt: skip
TONES = {
    "ok": "pass",
    "done": "pass",
    "steady": "pass",
    "fair": "warn",
    "failed": "fail",
    "unsteady": "warn",
    "cut": "warn",
    "error": "fail",
}


@runtime_checkable
class Inline(Protocol):
    """Anything that can be used in a sentence or a table cell."""

    def html(self) -> str: ...
    def markdown(self) -> str: ...
    def plain(self) -> str: ...


Cell = Inline | str | Number | None | tuple["Cell", ...]
"""What a table cell or a sentence may be; a tuple is its parts, one after the other."""


def as_html(cell: Cell, unit: str = "") -> str:
    """`cell` as safe HTML; plain numbers are written in `unit`."""
    if isinstance(cell, tuple):
        return "".join(one.html() if isinstance(one, Inline) else t.escape_html(one) for one in _parts(cell, unit))
    return cell.html() if isinstance(cell, Inline) else t.escape_html(as_plain(cell, unit))


def as_markdown(cell: Cell, unit: str = "") -> str:
    """`cell` as safe one-line Markdown."""
    if isinstance(cell, tuple):
        parts = _parts(cell, unit)
        return "".join(one.markdown() if isinstance(one, Inline) else t.escape_markdown(one) for one in parts)
    return cell.markdown() if isinstance(cell, Inline) else t.escape_markdown(as_plain(cell, unit))


def as_plain(cell: Cell, unit: str = "") -> str:
    """`cell` as it reads."""
    if isinstance(cell, tuple):
        return "".join(one.plain() if isinstance(one, Inline) else one for one in _parts(cell, unit))
    if isinstance(cell, Inline):
        return cell.plain()
    return language.translated(_written(cell, unit))


def _written(cell: str | Number | None, unit: str) -> str:
    if cell is None:
        return "n/a"
    return cell if isinstance(cell, str) else number(cell, unit)


def _parts(cell: tuple[Cell, ...], unit: str) -> list[Inline | str]:
    """The parts of a sentence in the order of the current language."""
    flat = [part if isinstance(part, Inline) else _written(part, unit) for part in _flat(cell)]
    return language.sentence(flat)


def _flat(cell: tuple[Cell, ...]) -> Iterator[Inline | str | Number | None]:
    for part in cell:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part


def in_every_language(shown: Callable[..., MimeBundle]) -> Callable[..., MimeBundle]:
    """Add what an output is in the other languages to its mark: a report in another language runs no notebook."""

    @wraps(shown)
    def bundles(self: Any, include: Any = None, exclude: Any = None) -> MimeBundle:
        data, metadata = shown(self, include, exclude)
        others = {}
        for name in language.OTHERS:
            with language.using(name):
                others[name] = shown(self, include, exclude)[0]
        mark = metadata["evalpress"] | {"languages": others}
        return data, metadata | {"evalpress": mark}

    return bundles


def bundle(kind: str, plain: str, *, html: str | None = None, markdown: str | None = None) -> MimeBundle:
    """A notebook output with the report's mark."""
    data = {"text/plain": t.visible(plain)}
    if html is not None:
        data["text/html"] = html
    if markdown is not None:
        data["text/markdown"] = markdown
    return data, {"evalpress": {"kind": kind}}


@dataclass(frozen=True)
class Code:
    """Text shown letter by letter: model output, prompts, file names, commands."""

    text: str

    def html(self) -> str:
        if not self.text:
            return f'<span class="ep-na">{language.translated("(empty)")}</span>'
        return f'<code dir="auto">{t.escape_html(self.text)}</code>'

    def markdown(self) -> str:
        return t.code(self.text)

    def plain(self) -> str:
        return t.visible(self.text)


@dataclass(frozen=True)
class Link:
    """A link to a place of the report: `anchor` is the id of a section or heading."""

    text: str
    anchor: str

    def html(self) -> str:
        return f'<a href="#{t.escape_html(self.anchor)}">{t.escape_html(language.translated(self.text))}</a>'

    def markdown(self) -> str:
        return f"[{t.escape_markdown(language.translated(self.text))}](#{self.anchor})"

    def plain(self) -> str:
        return t.visible(language.translated(self.text))


@dataclass(frozen=True)
class Badge:
    """A status as a word with a symbol, never as colour alone."""

    status: str
    label: str = ""

    def __post_init__(self) -> None:
        if self.status not in SYMBOLS:
            raise ValueError(f"status: found {self.status!r}, allowed {', '.join(SYMBOLS)}")

    @property
    def tone(self) -> str:
        return TONES.get(self.status, self.status)

    @property
    def words(self) -> str:
        return language.translated(self.label or self.status.replace("_", " "))

    def html(self) -> str:
        symbol = f'<span aria-hidden="true">{SYMBOLS[self.status]}</span>'
        return f'<span class="ep-badge ep-{self.tone}">{symbol} {t.escape_html(self.words)}</span>'

    def markdown(self) -> str:
        return f"{SYMBOLS[self.status]} {t.escape_markdown(self.words)}"

    def plain(self) -> str:
        return f"{SYMBOLS[self.status]} {self.words}"


@dataclass(frozen=True)
class Details:
    """Text folded under a line that a reader opens: long outputs, logs.

    Alone it folds by itself. In a table its cell shows the line, and the text is in a row of full width
    below, under `label` or the title of its column. `ours`: the text is sentences of ours, one a line.
    """

    summary: Cell
    text: str
    label: str = ""
    ours: bool = False

    def html(self) -> str:
        body = f'<pre dir="auto">\n{t.escape_html(self.shown())}</pre>'
        return f'<details class="ep-details"><summary>{as_html(self.summary)}</summary>{body}</details>'

    def markdown(self) -> str:
        return as_markdown(self.summary)

    def plain(self) -> str:
        return t.visible(self.shown())

    def shown(self) -> str:
        """The text; sentences of ours in the current language."""
        return "\n".join(map(language.translated, self.text.split("\n"))) if self.ours else self.text

    @in_every_language
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        markdown = t.fold(as_plain(self.summary), t.fence(self.shown(), "text"))
        return bundle("details", self.plain(), html=self.html(), markdown=markdown)


def output(text: str, limit: int = 160) -> Code | Details:
    """Model output for a table cell: whole when short, else its first line with the whole text folded."""
    if len(text) <= limit and text.count("\n") < 6:
        return Code(text)
    first = t.one_line(t.first_line(text)[:80])
    return Details((Code(f"{first}…"), f" {len(text):,} characters"), text)


@runtime_checkable
class Block(Protocol):
    """What can be alone: a table, a text."""

    def html(self) -> str: ...
    def markdown(self) -> str: ...


@dataclass(frozen=True)
class Switch:
    """Blocks of which one at a time is visible, at first the first one: one table for each of several metrics.

    Args:
        label: what is switched, in a phrase.
        blocks: name of each block -> the block.
    """

    label: str
    blocks: Mapping[str, Block]

    @in_every_language
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        group = t.escape_html("switch-" + "-".join(self.label.lower().split()))
        html = "".join(
            f'<details name="{group}"{"" if index else " open"}><summary>'
            f"{t.escape_html(language.translated(name))}</summary>"
            f"{block.html()}</details>"
            for index, (name, block) in enumerate(self.blocks.items())
        )
        first, *rest = self.blocks.items()
        markdown = "\n\n".join(
            [first[1].markdown(), *(t.fold(language.translated(name), block.markdown()) for name, block in rest)]
        )
        return bundle("switch", markdown, html=f'<div class="ep-switch">{html}</div>', markdown=markdown)


@dataclass(frozen=True)
class Prose:
    """Markdown written by the library. Parts from elsewhere go in through `code` or `escape_markdown`."""

    source: str

    @in_every_language
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        source = language.markdown(self.source)
        return bundle("prose", source, markdown=source)


def snippet(source: str, language: str = "") -> Prose:
    """A command or program as a separate block."""
    return Prose(t.fence(source.rstrip("\n"), language))
