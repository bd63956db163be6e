"""A table as HTML. The markup is in `templates/table.html.j2`; here is what fills it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from evalpress.display import language
from evalpress.display import text as t
from evalpress.display.blocks import Badge, Cell, Code, as_html, as_plain
from evalpress.display.table_cells import Footnotes, Part, details_of, in_line, named

if TYPE_CHECKING:
    from evalpress.display.table import Column, Table

_NO_ID = re.compile(r"[^\w.-]+")


def _safe(text: str) -> Markup:
    """Any text of the library as HTML text or attribute value."""
    return Markup(t.escape_html(language.translated(text)))


_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_PAGES.filters["text"] = _safe


@dataclass(frozen=True)
class _Cell:
    html: Markup
    classes: str
    names: bool = False
    rows: int = 1
    """How many rows a group's name spans."""


@dataclass(frozen=True)
class _Row:
    cells: list[_Cell]
    id: str
    """"" for a row without an id."""
    details: list[tuple[str, Markup]]
    summary: str
    """What the details are: the line that opens them."""


@dataclass(frozen=True)
class _Part:
    caption: str
    bodies: list[list[_Row]]
    """Rows in groups of one name, or all rows in one."""
    folded: bool


def write(table: Table) -> str:
    """The table, with its warning above and its notes below."""
    heads, notes, ids = table.heads, Footnotes(lambda index: f"<sup>{index}</sup>"), _Ids(table.anchor)
    parts = [_Part(caption, _bodies(table, heads, rows, notes, ids), fold) for caption, rows, fold in table.parts()]
    shown = [column for column in heads if not column.detail]
    page = _PAGES.get_template("table.html.j2")
    return page.render(
        parts=parts,
        heads=[(column, _classes(column)) for column in shown],
        tools=table.tools,
        warning=Markup(f"{Badge('warn', 'not valid:').html()} {as_html(table.warning)}") if table.warning else "",
        note=Markup(as_html(table.note)) if table.note else "",
        footnotes=notes.numbered(),
    ).strip()


class _Ids:
    """Ids of rows, each given once."""

    def __init__(self, prefix: str) -> None:
        self._prefix, self._used = prefix, dict[str, int]()

    def of(self, name: Cell) -> str:
        if not self._prefix:
            return ""
        with language.using("en"):  # ids are the same in every language
            wanted = f"{self._prefix}-{_NO_ID.sub('-', as_plain(name)).strip('-')}"
        count = self._used[wanted] = self._used.get(wanted, 0) + 1
        return wanted if count == 1 else f"{wanted}-{count}"


def _bodies(
    table: Table, heads: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Footnotes, ids: _Ids
) -> list[list[_Row]]:
    """The rows; consecutive rows with the same name are a group that shows it once."""
    details = [details_of(heads, row) for row in rows]
    groups = _groups(table, rows, any(details))
    bodies = []
    for group in groups:
        body = []
        for index in group:
            row, parts = rows[index], details[index]
            name = row[table.named_by] if table.row_heads else ""
            texts = [(part.label, _text(part)) for part in parts]
            cells = _cells(table, heads, row, notes, 0 if index != group[0] else len(group))
            body.append(_Row(cells, ids.of(name), texts, named(parts, name) if parts else ""))
        bodies.append(body)
    return bodies if len(bodies) < len(rows) else [[row for body in bodies for row in body]]


def _groups(table: Table, rows: Sequence[Sequence[Cell]], has_details: bool) -> list[list[int]]:
    grouped = table.row_heads and table.named_by == 0 and not has_details and not table.tools
    names = [row[0] if grouped and isinstance(row[0], str) else index for index, row in enumerate(rows)]
    return [list(group) for _, group in groupby(range(len(names)), key=names.__getitem__)]


def _cells(table: Table, heads: Sequence[Column], row: Sequence[Cell], notes: Footnotes, span: int) -> list[_Cell]:
    """The cells of a row; without its name where the group has shown it (`span` 0)."""
    cells = []
    for index, (cell, column) in enumerate(zip(row, heads, strict=True)):
        names = table.row_heads and index == table.named_by
        if column.detail or (names and not span):
            continue
        html = Markup(notes.write(as_html, in_line(cell), column.unit))
        cells.append(_Cell(html, _classes(column), names, span if names else 1))
    return cells


def _text(part: Part) -> Markup:
    """A folded text as a block; a short cell as it is."""
    if part.cell is not None and not isinstance(part.cell, Code):
        return Markup(f"<p>{as_html(part.cell)}</p>")
    text = part.text if part.cell is None else part.cell.text
    return Markup(f'<pre dir="auto">\n{t.escape_html(text)}</pre>')


def _classes(column: Column) -> str:
    return " ".join(name for name, on in (("num", column.align == "right"), ("wide", column.wide)) if on)
