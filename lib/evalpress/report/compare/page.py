"""A comparison as one self-contained page and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evalpress.core.results import write_text
from evalpress.display.figure_style import Figure
from evalpress.display.tables import Table, Verdict, escape_html, escape_markdown, moment
from evalpress.report.compare import Comparison
from evalpress.report.compare import tables as t
from evalpress.report.compare.figures import serving_curves, trend_lines
from evalpress.report.compare.row import Row
from evalpress.report.exporters import TEMPLATES, data_uri, page_parts
from evalpress.report.folders import replacing

_SECTIONS = (
    ("Speed", ("benchmark",), "Workloads of the benchmark, block by block. Output throughput: more is better."),
    ("Start-up and memory", ("startup", "startup_cold", "memory"), ""),
    ("Serving", ("serving",), "The loads that were put on the servers of both runs."),
    ("Numerics", ("alignment",), "Logits against the float32 reference, over the same positions."),
    ("Determinism", ("determinism",), "Share of prompts with identical outputs in each determinism check."),
    ("Quality", ("quality",), "Cases that both runs answered, paired case by case."),
)
_MOST_REASONS = 6
_NOT_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Pages:
    """Where the two pages are."""

    html: Path
    markdown: Path


@dataclass(frozen=True)
class _Block:
    html: Markup
    markdown: str


@dataclass(frozen=True)
class _Part:
    title: str
    anchor: str
    text: str
    blocks: Sequence[_Block]


def write(found: Comparison, folder: Path, name: str = "") -> Pages:
    """Write `folder/<name>.html`, `<name>.md` and the pictures of the latter in `<name>_files/`.

    Args:
        name: of the files without suffix; made of the runs' names where it is empty.
    """
    names = t.heads(found.runs)
    name = _NOT_SAFE.sub("-", name or "-and-".join((names[0], names[-1]))).strip("-.") or "comparison"
    pictures: dict[str, str] = {}
    parts = list(_parts(found, names, f"{name}_files", pictures))
    title = f"{names[0]} and {names[-1]}"
    verdict, _ = _verdict(found)._repr_mimebundle_()
    facts = [("Compared with", names[0]), ("Judged", names[-1]), ("Measured", _measured(found))]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES / "compare"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("index.html.j2").render(
        title=f"Comparison: {title}",
        facts=facts,
        verdict=Markup(verdict["text/html"]),
        parts=parts,
        **{key: Markup(text) for key, text in page_parts().items()},
    )
    lines = [f"# Comparison: {escape_markdown(title)}", verdict["text/markdown"]]
    for part in parts:
        lines += [f"## {part.title}", *([part.text] if part.text else []), *(block.markdown for block in part.blocks)]
    if pictures:
        with replacing(folder / f"{name}_files") as fresh:
            for file, svg in pictures.items():
                (fresh / file).write_text(svg, encoding="utf-8")
    write_text(folder / f"{name}.md", "\n\n".join(lines) + "\n")
    write_text(folder / f"{name}.html", page)
    return Pages(folder / f"{name}.html", folder / f"{name}.md")


def _measured(found: Comparison) -> str:
    return " and ".join(moment(run.measured) for run in (found.runs[0], found.runs[-1]))


def _verdict(found: Comparison) -> Verdict:
    counts = {verdict: sum(row.verdict == verdict for row in found.rows) for verdict in t.VERDICTS}
    told = ", ".join(f"{n} {t.VERDICTS[verdict][1]}" for verdict, n in counts.items() if n)
    worse = [row for row in found.rows if row.verdict == "worse"]
    status = "fail" if worse else "pass" if any(counts[v] for v in ("better", "no_difference")) else "warn"
    reasons = [f"Worse: {t.figure_words(row.metric)}{_by(row)}." for row in worse[:_MOST_REASONS]]
    if len(worse) > _MOST_REASONS:
        reasons.append(f"Worse: {len(worse) - _MOST_REASONS} more figures, see the tables.")
    return Verdict(status, f"Figures: {told or 'none that both runs measured'}.", reasons)


def _by(row: Row) -> str:
    return "" if row.ratio is None else f", {100 * (row.ratio - 1):+.1f} %".replace("-", "−")


def _parts(found: Comparison, names: Sequence[str], files: str, pictures: dict[str, str]) -> Iterator[_Part]:
    yield _Part("Runs", "runs", "", [_table(t.conditions(found, names))])
    if found.trends:
        figure = _picture(trend_lines(found.trends, names), "trend.svg", files, pictures)
        text = "The verdicts below compare the first run with the last."
        if [run.measured for run in found.runs] != sorted(run.measured for run in found.runs):
            text += " The runs are not given in the order in which they were measured."
        yield _Part("Trend", "trend", text, [figure, _table(t.trend(found, names))])
    for title, sections, text in _SECTIONS:
        rows = [row for row in found.rows if row.metric.split(".")[0] in sections]
        if not rows:
            continue
        blocks = [_table(t.rows(f"{title}: {names[-1]} against {names[0]}", rows, names))]
        if title == "Serving":
            ends = (found.runs[0], found.runs[-1])
            curves = serving_curves(ends, (names[0], names[-1]))
            blocks.insert(0, _picture(curves, "serving.svg", files, pictures))
        if title == "Quality" and found.changes:
            blocks.append(_table(t.changed_cases(found, names)))
        yield _Part(title, sections[0], text, blocks)


def _table(table: Table) -> _Block:
    return _Block(Markup(table.html()), table.markdown())


def _picture(figure: Figure, name: str, files: str, pictures: dict[str, str]) -> _Block:
    pictures[name] = figure.svg
    source, alt, caption = data_uri(figure.svg, "image/svg+xml"), escape_html(figure.alt), escape_html(figure.caption)
    html = f'<figure><img src="{source}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'
    markdown = f"![{escape_markdown(figure.alt)}]({files}/{name})\n\n{escape_markdown(figure.caption)}"
    return _Block(Markup(html), markdown)
