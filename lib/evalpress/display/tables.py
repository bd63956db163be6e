"""How results are shown: tables with a Markdown twin, prose, badges, verdict and key figures.

Everything that is put into these objects is printed as text. Display objects mark their notebook output
(`metadata.evalpress.kind`); the report accepts HTML and Markdown from marked outputs only.
"""

from __future__ import annotations

from evalpress.display.banner import Tile, Tiles, Verdict
from evalpress.display.blocks import (
    Badge,
    Cell,
    Code,
    Details,
    Link,
    Prose,
    Switch,
    output,
    snippet,
)
from evalpress.display.table import Column, Fold, Table
from evalpress.display.text import code, escape_html, escape_markdown, fence, one_line, visible
from evalpress.display.values import Change, ChangeInterval, Missing, Quantity, fmt, interval, moment, number, pick

__all__ = [
    "Badge", "Cell", "Change", "ChangeInterval", "Code", "Column", "Details", "Fold", "Link",
    "Missing", "Prose", "Quantity", "Switch", "Table", "Tile", "Tiles",
    "Verdict", "code", "escape_html", "escape_markdown", "fence", "fmt", "interval", "moment", "number", "one_line",
    "output", "pick", "snippet", "visible",
]  # fmt: skip
