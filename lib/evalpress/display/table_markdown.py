"""A table as GitHub's Markdown: one line per row, and below it the texts that no line can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evalpress.display import language
from evalpress.display import text as t
from evalpress.display.blocks import Badge, Cell, Code, as_markdown
from evalpress.display.table_cells import Footnotes, Part, details_of, in_line, named

if TYPE_CHECKING:
    from evalpress.display.table import Column, Table

_TOKEN = 12
"""Characters of the longest text that counts as a token."""


def write(table: Table) -> str:
    """The table: caption in bold above, folded texts and notes below."""
    heads, notes = table.heads, Footnotes(lambda index: f" ({index})")
    blocks = [f"{Badge('warn', 'not valid').markdown()}: {as_markdown(table.warning)}"] if table.warning else []
    for caption, rows, folded in table.parts():
        lines = "\n".join(_lines(heads, rows, notes))
        texts = list(_texts(table, heads, rows))
        if folded:
            blocks.append(t.fold(language.translated(caption), "\n\n".join([lines, *texts])))
        else:
            blocks += [lines, *texts]
    blocks += [as_markdown(table.note)] if table.note else []
    blocks += [f"({index}) {t.escape_markdown(language.translated(why))}" for index, why in notes.numbered()]
    return "\n\n".join([f"**{t.escape_markdown(language.translated(table.caption))}**", *blocks])


def _lines(heads: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Footnotes) -> Iterator[str]:
    shown = [(index, column) for index, column in enumerate(heads) if not column.detail]
    yield _line([t.escape_markdown(column.head) for _, column in shown])
    yield _line(["---:" if column.align == "right" else "---" for _, column in shown])
    for row in rows:
        yield _line([notes.write(as_markdown, _first_line(in_line(row[i])), column.unit) for i, column in shown])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(t.in_table, cells))} |"


def _first_line(cell: Cell) -> Cell:
    """Text of several lines by its first one."""
    if isinstance(cell, tuple):
        return tuple(_first_line(part) for part in cell)
    return (Code(t.first_line(cell.text)), " …") if isinstance(cell, Code) and _is_block(cell.text) else cell


def _is_block(text: str) -> bool:
    """Whether a text has lines of its own; a short one with a newline is a token, shown with ↵."""
    return "\n" in text and bool(text.strip()) and len(text) > _TOKEN


def _blocks(column: Column, cell: Cell) -> Iterator[Part]:
    """Texts of several lines that the HTML shows in the cell itself."""
    if column.detail:
        return
    if isinstance(cell, tuple):
        for part in cell:
            yield from _blocks(column, part)
    elif isinstance(cell, Code) and _is_block(cell.text):
        yield Part(column.title, cell.text)


def _texts(table: Table, heads: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """One fold for each row that has texts."""
    for row in rows:
        in_cells = [part for column, cell in zip(heads, row, strict=True) for part in _blocks(column, cell)]
        if parts := [*in_cells, *details_of(heads, row)]:
            name = row[table.named_by] if table.row_heads else ""
            yield t.fold(named(parts, name), "\n\n".join(_block(part) for part in parts))


def _block(part: Part) -> str:
    label = f"**{t.escape_markdown(language.translated(part.label))}**\n\n"
    if isinstance(part.cell, Code):
        return label + t.fence(part.cell.text, "text")
    return label + (t.fence(part.text, "text") if part.cell is None else as_markdown(part.cell))
