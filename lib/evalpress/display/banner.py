"""The head of a report: the verdict's banner and the key figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evalpress.display import language
from evalpress.display import text as t
from evalpress.display.blocks import Badge, Cell, MimeBundle, as_html, as_markdown, as_plain, bundle, in_every_language


@dataclass(frozen=True)
class Verdict:
    """The banner at the head of the report: one status, one sentence, the reasons."""

    status: str
    headline: Cell
    reasons: Sequence[Cell] = field(default_factory=tuple)

    @in_every_language
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        badge = Badge(self.status)
        reasons = "".join(f"<li>{as_html(reason)}</li>" for reason in self.reasons)
        listed = f"<ul>{reasons}</ul>" if reasons else ""
        html = (
            f'<div class="ep-verdict ep-{badge.tone}"><p class="ep-verdict-status">{badge.html()}</p>'
            f'<div><p class="ep-verdict-headline">{as_html(self.headline)}</p>{listed}</div></div>'
        )
        lines = [f"> **{badge.markdown()}** · {as_markdown(self.headline)}"]
        lines += [f"> - {as_markdown(reason)}" for reason in self.reasons]
        if self.reasons:
            lines.insert(1, ">")
        plain = f"{badge.plain()}: {as_plain(self.headline)}"
        return bundle("verdict", plain, html=html, markdown="\n".join(lines))


@dataclass(frozen=True)
class Tile:
    """One key figure: what it is, the figure, and what to compare it with."""

    label: str
    figure: Cell
    detail: Cell = ""


@dataclass(frozen=True)
class Tiles:
    """A row of key figures."""

    tiles: Sequence[Tile]

    @in_every_language
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        html = "".join(
            f"<div><dt>{t.escape_html(language.translated(tile.label))}</dt><dd>{as_html(tile.figure)}</dd>"
            f'<dd class="ep-tile-detail">{as_html(tile.detail)}</dd></div>'
            for tile in self.tiles
        )
        lines = [
            f"- {t.escape_markdown(language.translated(tile.label))}: **{as_markdown(tile.figure)}**"
            + (f" ({as_markdown(tile.detail)})" if tile.detail else "")
            for tile in self.tiles
        ]
        plain = "\n".join(f"{language.translated(tile.label)}: {as_plain(tile.figure)}" for tile in self.tiles)
        return bundle("tiles", plain, html=f'<dl class="ep-tiles">{html}</dl>', markdown="\n".join(lines))
