"""What a table's HTML and its Markdown share: footnotes, and the texts that are folded below a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalpress.display.blocks import Cell, Details, as_plain
from evalpress.display.language import enumerated, labelled, translated
from evalpress.display.text import one_line
from evalpress.display.values import Missing

if TYPE_CHECKING:
    from evalpress.display.table import Column


@dataclass(frozen=True)
class Part:
    """One text of a row's details: its column's title and the text itself, or a cell where it is no long text."""

    label: str
    text: str = ""
    cell: Cell = None


class Footnotes:
    """The reasons behind the missing values of one table, each numbered once."""

    def __init__(self, mark: Callable[[int], str]) -> None:
        self._mark = mark
        self._numbers: dict[str, int] = {}

    def write(self, writer: Callable[[Cell, str], str], cell: Cell, unit: str) -> str:
        if not isinstance(cell, Missing):
            return writer(cell, unit)
        return "n/a" + self._mark(self._numbers.setdefault(cell.why, len(self._numbers) + 1))

    def numbered(self) -> list[tuple[int, str]]:
        return [(index, why) for why, index in self._numbers.items()]


def in_line(cell: Cell) -> Cell:
    """`cell` with only the first line of each text that it folds: what is in the cell itself."""
    if isinstance(cell, tuple):
        return tuple(in_line(part) for part in cell)
    return cell.summary if isinstance(cell, Details) else cell


def folded(cell: Cell) -> Iterator[Details]:
    """Every text that `cell` folds."""
    if isinstance(cell, Details):
        yield cell
    elif isinstance(cell, tuple):
        for part in cell:
            yield from folded(part)


def details_of(heads: Sequence[Column], row: Sequence[Cell]) -> list[Part]:
    """The details below a row: the cells of its detail columns, and the texts that its other cells fold."""
    found: list[Part] = []
    for column, cell in zip(heads, row, strict=True):
        texts = list(folded(cell))
        found += [Part(one.label or column.title, one.text) for one in texts]
        if column.detail and not texts and as_plain(cell).strip() not in ("", "–"):
            found.append(Part(column.title, cell=cell))
    return found


def named(parts: Sequence[Part], row_name: Cell) -> str:
    """The line that a reader opens: which texts there are, and of which row."""
    labels = enumerated(dict.fromkeys(translated(part.label) for part in parts))
    name = one_line(as_plain(row_name))
    return labelled(name, labels) if name else labels
