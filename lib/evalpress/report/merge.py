"""Many executed notebooks made into the one that is rendered.

Fresh cell ids, headings one level down, anchors that carry the section's name, outputs that the report trusts,
no widget state. The summary comes first, then the sections in their order. A section that failed or was skipped
shows its title, its introduction and the reason, and no figure: partial output of a failed run is no result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.display import language
from evalpress.display.tables import Code, Verdict
from evalpress.report.headings import Anchors, Heading, demoted
from evalpress.report.outputs import accepted, error_line, shown_here
from evalpress.sections.registry import SECTIONS, SUMMARY

_CALL = re.compile(r"(?:\w+\.)*(\w+)\(")
_LINKED = {"table": "table", "switch": "table", "figure": "figure"}
"""Kinds of outputs that a reader can link to."""
_STEMS = {section.name: section.notebook for section in (*SECTIONS, SUMMARY)}


@dataclass(frozen=True)
class Source:
    """One notebook of the report: its file (None where there is none) and why it is not shown in full."""

    stem: str
    path: Path | None
    status: str = "done"
    reason: str = ""

    @property
    def name(self) -> str:
        """`10_benchmark` as "benchmark": the section's anchor."""
        return re.sub(r"[^a-z0-9]+", "-", re.sub(r"^\d+[_-]", "", self.stem.lower())).strip("-") or "section"

    @property
    def title(self) -> str:
        return self.name.replace("-", " ").capitalize()


def sources(report_dir: Path, failures: Mapping[str, str], skipped: Mapping[str, str]) -> list[Source]:
    """The notebooks of a report in reading order: the summary, then by name.

    Args:
        report_dir: the report's folder.
        failures: section or notebook → why it failed.
        skipped: section or notebook → why it was not run.

    Raises:
        UserError: there is not a single one.
    """
    failures, skipped = ({_STEMS.get(k, k): why for k, why in told.items()} for told in (failures, skipped))
    done = {path.stem: path for path in (report_dir / "notebooks").glob("*.ipynb")}
    broken = {path.stem: path for path in (report_dir / "failed").glob("*.ipynb")}
    found = []
    for stem in {*done, *failures, *skipped}:
        if stem in failures:
            found.append(Source(stem, broken.get(stem), "failed", failures[stem]))
        elif stem in skipped:
            found.append(Source(stem, done.get(stem), "skipped", skipped[stem]))
        else:
            found.append(Source(stem, done[stem]))
    if not found:
        raise UserError(f"{report_dir.name}: notebooks: found none that was executed, nothing to render")
    return sorted(found, key=lambda source: (source.stem != SUMMARY.notebook, source.stem))


def merge(found: list[Source], title: str, facts: Mapping[str, str]) -> NotebookNode:
    """One notebook of all `found`; its metadata hold the title, the header's facts and the contents list."""
    anchors, cells, headings = Anchors(), [], []
    for source in found:
        section, own = _section(source, anchors)
        section[0].metadata.evalpress["opens"] = asdict(own[0]) | {"status": source.status}
        section[-1].metadata.evalpress["closes"] = True
        if source.status == "done" and source.stem != SUMMARY.notebook:
            _fold(section)
        cells += section
        headings += own
    mark = {
        "title": title,
        "facts": dict(facts),
        "contents": [asdict(heading) for heading in headings if heading.level <= 3],
        "slugs": {heading.anchor: heading.slug for heading in headings},
    }
    metadata = nbformat.from_dict({"language_info": {"name": "python"}, "evalpress": mark})
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _section(source: Source, anchors: Anchors) -> tuple[list[NotebookNode], list[Heading]]:
    """The cells of one section, at least one, and its headings, the first of which is its title."""
    notebook = _read(source)
    mark = notebook.metadata.get("evalpress", {})
    partial = mark.get("status") == "partial"
    error = error_line([output for cell in notebook.cells for output in cell.get("outputs", [])])
    if source.status == "done" and error and not partial:
        source = Source(source.stem, source.path, "failed", error)
    cells: list[NotebookNode] = []
    headings: list[Heading] = []
    if not _has_title(notebook):
        cells.append(_markdown(f"# {source.title}", anchors, source, headings, 0))
    for index, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            cells.append(_markdown(cell.source, anchors, source, headings, index))
        elif cell.cell_type == "code":
            if source.status != "done":
                break
            cells.append(_code(cell, anchors, source, index))
    if source.status != "done" or partial:
        cells.append(_reason(source, str(mark.get("why", "")) if partial else ""))
    return cells, headings


def _read(source: Source) -> NotebookNode:
    if source.path is None:
        return nbformat.v4.new_notebook()
    try:
        return nbformat.reads(source.path.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        raise UserError(f"{source.path.name}: not readable as a notebook: {error}") from None


def _has_title(notebook: NotebookNode) -> bool:
    """Whether the first cell is Markdown that begins with a level-one heading."""
    first = notebook.cells[0] if notebook.cells else None
    return first is not None and first.cell_type == "markdown" and first.source.lstrip().startswith("# ")


def _markdown(text: str, anchors: Anchors, source: Source, headings: list[Heading], index: int) -> NotebookNode:
    demoted_text, found = demoted(text.strip("\n"), anchors, source.name)
    headings += found
    mark = {"anchors": [heading.anchor for heading in found], "section": source.name}
    return _cell(nbformat.v4.new_markdown_cell(demoted_text), source, index, mark)


def _code(cell: NotebookNode, anchors: Anchors, source: Source, index: int) -> NotebookNode:
    stem = f"{source.name}-{index}"
    outputs = accepted(cell.outputs, stem)
    for output in outputs:
        mark = output.metadata.evalpress
        if mark.kind in _LINKED:
            mark["id"] = anchors.output(source.name, _LINKED[mark.kind], _made_by(cell.source) or str(index))
    fresh = nbformat.v4.new_code_cell(cell.source, outputs=outputs)
    return _cell(fresh, source, index, {"section": source.name})


def _made_by(code: str) -> str:
    """The function that the last line of a cell calls: `tables.speed(result)` as "speed"."""
    called = _CALL.match(code.rstrip().rpartition("\n")[2])
    return called[1].replace("_", "-") if called else ""


def _fold(section: list[NotebookNode]) -> None:
    """Mark the cells that a reader opens: from the first heading or code after the title and the introduction."""
    places = (i for i, cell in enumerate(section) if i and (cell.cell_type == "code" or _headings(cell)))
    if first := next(places, None):
        section[first].metadata.evalpress["folds"] = _contents(section[first:])
        section[-1].metadata.evalpress["unfolds"] = True


def _headings(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.evalpress.get("anchors", ()))


def _contents(cells: list[NotebookNode]) -> str:
    """What a fold holds: "12 tables, 5 figures"."""
    kinds = [o.metadata.evalpress.kind for c in cells if c.cell_type == "code" for o in c.outputs]
    counts = {"table": sum(map(kinds.count, ("table", "switch"))), "figure": kinds.count("figure")}
    found = ", ".join(f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n)
    return language.translated(found or "details")


def _reason(source: Source, not_shown: str) -> NotebookNode:
    """The banner of a section that has no results, or not all of their tables and figures."""
    banner = Verdict("skipped", ("This section is left out: ", source.reason))
    if source.status == "failed":
        banner = Verdict("failed", "This section failed and has no results.", (Code(source.reason),))
    elif source.status == "done":
        told = "The results of this section are complete, but not everything of them could be shown."
        banner = Verdict("warn", told, (Code(not_shown),))
    output = shown_here(banner)
    return _cell(nbformat.v4.new_code_cell("", outputs=[output]), source, "reason", {"section": source.name})


def _cell(cell: NotebookNode, source: Source, index: int | str, mark: Json) -> NotebookNode:
    cell.id = f"{source.name}-{index}"[:64]
    cell.metadata = nbformat.from_dict({"evalpress": mark})
    return cell
