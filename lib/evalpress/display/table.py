"""A table as a value: semantic HTML for the page, a Markdown twin for the file, a DataFrame to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from evalpress.display import text as t
from evalpress.display.blocks import Badge, Cell, Inline, MimeBundle, as_html, as_markdown, as_plain, bundle
from evalpress.display.values import SELF_EVIDENT, Change, ChangeInterval, Missing, Quantity, pick

if TYPE_CHECKING:
    import pandas

Align = Literal["auto", "left", "right"]


@dataclass(frozen=True)
class Column:
    """A column's head. `unit` is the unit of its plain numbers and stands in the head.

    `wide` gives a column of running text the room that it needs on a narrow screen.
    """

    title: str
    unit: str = ""
    align: Align = "auto"
    wide: bool = False

    @property
    def head(self) -> str:
        shown = self.unit and self.unit not in SELF_EVIDENT and self.unit not in self.title.split()
        return f"{self.title} ({self.unit})" if shown else self.title


@dataclass(frozen=True)
class Table:
    """Rows of cells under a caption.

    Args:
        caption: what the table shows, in a phrase: plain text.
        columns: heads; a plain string is a column without a unit, an empty one a column without a head.
        rows: one cell per column; the first cell of a row names it unless `row_heads` is False.
        note: a line under the table.
        warning: why the figures must not be relied upon, printed above them.

    Raises:
        ValueError: no caption, no columns, or a row of another length.
    """

    caption: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    note: Cell = ""
    warning: Cell = ""
    row_heads: bool = True

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
        records: Sequence[Mapping[str, Any]],
        **more: Any,
    ) -> Table:
        """One row per record; a null shows the reason that stands beside it in the record."""
        rows = [[pick(record, key) for key in columns] for record in records]
        return cls(caption, list(columns.values()), rows, **more)

    @property
    def heads(self) -> list[Column]:
        """The columns with `auto` alignment decided: numbers to the right."""
        columns = [c if isinstance(c, Column) else Column(c) for c in self.columns]
        return [
            Column(c.title, c.unit, _alignment(c, [row[i] for row in self.rows]), c.wide) for i, c in enumerate(columns)
        ]

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
        """A captioned table with header scopes in a box that scrolls by itself on a narrow screen."""
        heads, notes = self.heads, _Footnotes(_mark_html)
        classes = [_classes(column) for column in heads]
        head = "".join(
            f'<th scope="col"{css}>{t.escape_html(column.head)}</th>' if column.head else "<td></td>"
            for column, css in zip(heads, classes, strict=True)
        )
        body = self._body(heads, classes, notes)
        caption = t.escape_html(self.caption)
        below = [as_html(self.note)] if self.note else []
        below += [f"<sup>{index}</sup> {t.escape_html(why)}" for index, why in notes.numbered()]
        warning = f"{Badge('warn', 'not valid:').html()} {as_html(self.warning)}" if self.warning else ""
        return (
            (f'<p class="ep-warning">{warning}</p>' if warning else "")
            + f'<div class="ep-table" role="region" aria-label="{caption}" tabindex="0"><table>'
            + f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>"
            + f"{body}</table></div>"
            + (f'<p class="ep-note">{"<br>".join(below)}</p>' if below else "")
        )

    def _body(self, heads: Sequence[Column], classes: Sequence[str], notes: _Footnotes) -> str:
        """The rows; neighbours that share their name are a group which says it once."""
        names = [row[0] if self.row_heads and isinstance(row[0], str) else index for index, row in enumerate(self.rows)]
        groups = [list(group) for _, group in groupby(range(len(names)), key=names.__getitem__)]
        bodies = []
        for group in groups:
            span = f' scope="rowgroup" rowspan="{len(group)}"' if len(group) > 1 else ' scope="row"'
            lines = []
            for index in group:
                pairs = zip(self.rows[index], heads, strict=True)
                cells = [notes.write(as_html, cell, column.unit) for cell, column in pairs]
                marked = [f"<td{css}>{cell}</td>" for cell, css in zip(cells, classes, strict=True)]
                if self.row_heads:
                    marked[0] = f"<th{span}{classes[0]}>{cells[0]}</th>" if index == group[0] else ""
                lines.append(f"<tr>{''.join(marked)}</tr>")
            bodies.append("".join(lines))
        apart = "</tbody><tbody>" if len(groups) < len(names) else ""
        return f"<tbody>{apart.join(bodies)}</tbody>"

    def markdown(self) -> str:
        """The same table in GitHub's Markdown: caption in bold above, notes below."""
        heads, notes = self.heads, _Footnotes(_mark_markdown)
        lines = [f"**{t.escape_markdown(self.caption)}**", ""]
        if self.warning:
            lines += [f"{Badge('warn', 'not valid').markdown()}: {as_markdown(self.warning)}", ""]
        lines.append(_line([t.escape_markdown(column.head) for column in heads]))
        lines.append(_line(["---:" if column.align == "right" else "---" for column in heads]))
        for row in self.rows:
            pairs = zip(row, heads, strict=True)
            lines.append(_line([notes.write(as_markdown, cell, column.unit) for cell, column in pairs]))
        below = [as_markdown(self.note)] if self.note else []
        below += [f"({index}) {t.escape_markdown(why)}" for index, why in notes.numbered()]
        return "\n".join(lines) + "".join(f"\n\n{line}" for line in below)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        markdown = self.markdown()
        return bundle("table", markdown, html=self.html(), markdown=markdown)


class _Footnotes:
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


def _mark_html(index: int) -> str:
    return f"<sup>{index}</sup>"


def _mark_markdown(index: int) -> str:
    return f" ({index})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _alignment(column: Column, cells: Sequence[Cell]) -> Align:
    if column.align != "auto":
        return column.align
    known = [cell for cell in cells if cell is not None and not isinstance(cell, Missing)]
    return "right" if known and all(_is_number(cell) for cell in known) else "left"


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, Quantity) or (isinstance(cell, int | float) and not isinstance(cell, bool))


def _classes(column: Column) -> str:
    names = [name for name, on in (("num", column.align == "right"), ("wide", column.wide)) if on]
    return f' class="{" ".join(names)}"' if names else ""


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
    return as_plain(cell) if isinstance(cell, str | tuple | Inline) else cell
