"""A table as a value: semantic HTML for the page, a Markdown twin for the file, a DataFrame to work with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evalpress.display import language, options, table_html, table_markdown
from evalpress.display.blocks import Badge, Cell, Inline, MimeBundle, as_plain, bundle, in_every_language
from evalpress.display.text import without_surrogates
from evalpress.display.values import SELF_EVIDENT, Change, ChangeInterval, Missing, Quantity, pick

if TYPE_CHECKING:
    import pandas

Align = Literal["auto", "left", "right"]


@dataclass(frozen=True)
class Column:
    """A column's head. `unit` is the unit of its plain numbers and is in the head.

    `wide` gives a column of running text the room that it needs on a narrow screen. A `detail` column is in a
    foldable row of full width below each row: texts too long for a cell. `choose` offers the column's values as a
    filter in the report.
    """

    title: str
    unit: str = ""
    align: Align = "auto"
    wide: bool = False
    detail: bool = False
    choose: bool = False

    @property
    def head(self) -> str:
        shown = self.unit and self.unit not in SELF_EVIDENT and self.unit != self.title.split()[-1]
        title = language.translated(self.title)
        return f"{title} ({self.unit})" if shown else title


@dataclass(frozen=True)
class Fold:
    """The rows of a table from `first` on, folded under `summary`: what only some readers look for."""

    first: int
    summary: str


@dataclass(frozen=True)
class Table:
    """Rows of cells under a caption.

    Args:
        caption: what the table shows, in a phrase: plain text.
        columns: heads; a plain string is a column without a unit, an empty one a column without a head.
        rows: one cell per column; text that a cell folds (`Details`) is in a row of full width below.
        note: a line under the table.
        warning: why the figures must not be relied upon, printed above them.
        row_heads: whether a cell of each row names it.
        named_by: the index of that cell.
        anchor: prefix of the rows' ids in the report, which are made of it and the row's name; "" for no ids.
        tools: whether the report offers to filter the rows and to sort them by column.
        fold: rows that are folded away.

    Raises:
        ValueError: no caption, no columns, or a row of another length.
    """

    caption: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    note: Cell = ""
    warning: Cell = ""
    row_heads: bool = True
    named_by: int = 0
    anchor: str = ""
    tools: bool = False
    fold: Fold | None = None

    def __post_init__(self) -> None:
        if not self.caption.strip() or not self.columns:
            raise ValueError("a table needs a caption and columns")
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                found = f"row {index} has {len(row)} cells for {len(self.columns)} columns"
                raise ValueError(f"{self.caption}: {found}")

    @classmethod
    def from_records(
        cls,
        caption: str,
        columns: Mapping[str, Column | str],
        records: Iterable[Any],
        **more: Any,
    ) -> Table:
        """One row per record (see `pick`); a None shows the reason that is beside it in the record."""
        rows = [[pick(record, key) for key in columns] for record in records]
        return cls(caption, list(columns.values()), rows, **more)

    @property
    def heads(self) -> list[Column]:
        """The columns with `auto` alignment decided: numbers to the right."""
        columns = [c if isinstance(c, Column) else Column(c) for c in self.columns]
        return [replace(c, align=_alignment(c, [row[i] for row in self.rows])) for i, c in enumerate(columns)]

    def parts(self) -> Iterator[tuple[str, Sequence[Sequence[Cell]], bool]]:
        """The rows in one part, or in two where some are folded: caption, rows, whether they are folded."""
        if self.fold is None or self.fold.first >= len(self.rows):
            yield self.caption, self.rows, False
            return
        if self.fold.first:
            yield self.caption, self.rows[: self.fold.first], False
        yield self.fold.summary, self.rows[self.fold.first :], True

    def to_frame(self) -> pandas.DataFrame:
        """The table as a DataFrame: numbers as numbers, missing ones as None, a badge as its bare status.

        A change is its `ratio`, an interval `ci_low` and `ci_high`. Numbers of different units in one column have their
        unit in a column beside it.
        """
        import pandas

        columns: dict[str, list[Any]] = {}
        for index, column in enumerate(self.heads):
            cells = [row[index] for row in self.rows]
            for name, values in _frame_columns(column.head, cells).items():
                columns[name if name not in columns else f"{name} ({index + 1})"] = values
        return pandas.DataFrame(columns)

    def html(self) -> str:
        """A captioned table with header scopes in a box that scrolls by itself where it is too wide."""
        return table_html.write(self)

    def markdown(self) -> str:
        """The same table in GitHub's Markdown: caption in bold above, notes and folded texts below."""
        return table_markdown.write(self)

    @in_every_language
    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        markdown, html = self.markdown(), self.html()
        if options.frames and language.current() == "en":
            html += str(self.to_frame().to_html(notebook=True))
        return bundle("table", markdown, html=html, markdown=markdown)


def _alignment(column: Column, cells: Sequence[Cell]) -> Align:
    if column.align != "auto":
        return column.align
    known = [cell for cell in cells if cell is not None and not isinstance(cell, Missing)]
    return "right" if known and all(_is_number(cell) for cell in known) else "left"


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, Quantity) or (isinstance(cell, int | float) and not isinstance(cell, bool))


def _frame_columns(head: str, cells: Sequence[Cell]) -> dict[str, list[Any]]:
    """The columns of a frame that one column of a table makes."""
    parts = [cell.frame_columns() if isinstance(cell, Change | ChangeInterval) else {} for cell in cells]
    if names := dict.fromkeys(name for part in parts for name in part):
        return {name: [part.get(name) for part in parts] for name in names}
    units = [cell.unit if isinstance(cell, Quantity) and cell.value is not None else None for cell in cells]
    found = {head: [_value(cell) for cell in cells]}
    return found | {f"{head} unit": units} if len({unit for unit in units if unit is not None}) > 1 else found


def _value(cell: Cell) -> Any:
    if isinstance(cell, Quantity):
        return cell.value
    if isinstance(cell, Badge):
        return cell.status
    if cell is None or isinstance(cell, Missing):
        return None
    return without_surrogates(as_plain(cell)) if isinstance(cell, str | tuple | Inline) else cell
