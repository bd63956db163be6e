"""A comparison as one self-contained page and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evalpress.core.results import write_text
from evalpress.display import language
from evalpress.display.figure_style import Figure
from evalpress.display.language import phrase, translated
from evalpress.display.tables import Table, Verdict, escape_html, escape_markdown, moment
from evalpress.report.compare import Comparison
from evalpress.report.compare import tables as t
from evalpress.report.compare.figures import serving_curves, trend_lines
from evalpress.report.compare.row import Row
from evalpress.report.compare.run import Run
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
    """Where the pages are; `others` are those of every language but the first."""

    html: Path
    markdown: Path
    others: tuple[Path, ...] = ()

    def __iter__(self) -> Iterator[Path]:
        return iter((self.html, self.markdown, *self.others))


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


def write(found: Comparison, folder: Path, name: str = "", languages: Sequence[str] = ("en",)) -> Pages:
    """Write `folder/<name>.html`, `<name>.md` and the pictures of the latter in `<name>_files/`.

    Args:
        name: of the files without suffix; made of the runs' names where it is empty.
        languages: the first is that of `<name>.html`; the pages of another are `<name>.<language>.html` and `.md`.
    """
    names = t.heads(found.runs)
    name = _NOT_SAFE.sub("-", name or "-and-".join((names[0], names[-1]))).strip("-.") or "comparison"
    stems = {one: name if one == languages[0] else f"{name}.{one}" for one in languages}
    pictures: dict[str, str] = {}
    pages = {one: _page(found, names, stems, one, pictures) for one in languages}
    if pictures:
        with replacing(folder / f"{name}_files") as fresh:
            for file, svg in pictures.items():
                (fresh / file).write_text(svg, encoding="utf-8")
    for old in (folder / f"{name}.{one}{end}" for one in language.LANGUAGES for end in (".html", ".md")):
        if old.stem not in stems.values():
            old.unlink(missing_ok=True)
    written = []
    for one, (page, text) in pages.items():
        written += [folder / f"{stems[one]}.html", folder / f"{stems[one]}.md"]
        write_text(written[-1], text)
        write_text(written[-2], page)
    return Pages(written[0], written[1], tuple(written[2:]))


def languages_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """The languages of the runs' pages, those of the first run first; en where no run has a page."""
    pages = [page for run in runs for page in sorted(run.folder.glob("report*.html"), key=lambda one: len(one.name))]
    return tuple(dict.fromkeys(language.of_page(page.read_text(encoding="utf-8")) for page in pages)) or ("en",)


def _page(
    found: Comparison, names: Sequence[str], stems: Mapping[str, str], here: str, pictures: dict[str, str]
) -> tuple[str, str]:
    """The comparison in one language: HTML and Markdown; adds the Markdown's pictures to `pictures`."""
    with language.using(here):
        parts = list(_parts(found, names, next(iter(stems.values())), pictures))
        title = phrase("Comparison: {a} and {b}", a=names[0], b=names[-1])
        verdict, _ = _verdict(found)._repr_mimebundle_()
        facts = [("Compared with", names[0]), ("Judged", names[-1]), ("Time of measuring", _measured(found))]
        links = [(stem, language.TAGS[one], language.NAMES[one], one == here) for one, stem in stems.items()]
        environment = Environment(
            loader=FileSystemLoader(TEMPLATES / "compare"), autoescape=True, undefined=StrictUndefined
        )
        page = environment.get_template("index.html.j2").render(
            title=title,
            facts=[(translated(label), value) for label, value in facts],
            verdict=Markup(verdict["text/html"]),
            parts=parts,
            links=links if len(links) > 1 else (),
            tag=language.TAGS[here],
            _=phrase,
            **{key: Markup(text) for key, text in page_parts().items()},
        )
    lines = [f"# {escape_markdown(title)}"]
    if len(links) > 1:
        lines.append(" · ".join(name if this else f"[{name}]({stem}.md)" for stem, _, name, this in links))
    lines.append(verdict["text/markdown"])
    for part in parts:
        lines += [f"## {part.title}", *([part.text] if part.text else []), *(block.markdown for block in part.blocks)]
    return page, "\n\n".join(lines) + "\n"


def _measured(found: Comparison) -> str:
    return " · ".join(moment(run.measured) for run in (found.runs[0], found.runs[-1]))


def _verdict(found: Comparison) -> Verdict:
    counts = {verdict: sum(row.verdict == verdict for row in found.rows) for verdict in t.VERDICTS}
    told = ", ".join(t.COUNTED[verdict].format(n=n) for verdict, n in counts.items() if n)
    worse = [row for row in found.rows if row.verdict == "worse"]
    status = "fail" if worse else "pass" if any(counts[v] for v in ("better", "no_difference")) else "warn"
    reasons = [f"Worse: {t.figure_words(row.metric)}{_by(row)}." for row in worse[:_MOST_REASONS]]
    if len(worse) > _MOST_REASONS:
        reasons.append(f"Worse: {len(worse) - _MOST_REASONS} more figures, see the tables.")
    return Verdict(status, f"{told or 'No figure was measured in both runs'}.", reasons)


def _by(row: Row) -> str:
    return "" if row.ratio is None else f", {100 * (row.ratio - 1):+.1f} %".replace("-", "−")


def _parts(found: Comparison, names: Sequence[str], stem: str, pictures: dict[str, str]) -> Iterator[_Part]:
    """The page's parts in the current language."""
    files = f"{stem}_files"
    yield _part("Compared runs", "runs", "", [_table(t.conditions(found, names))])
    if found.trends:
        figure = _picture(trend_lines(found.trends, names), "trend", files, pictures)
        text = "The verdicts below compare the first run with the last."
        if [run.measured for run in found.runs] != sorted(run.measured for run in found.runs):
            text += " The runs are not given in the order in which they were measured."
        yield _part("Trend", "trend", text, [figure, _table(t.trend(found, names))])
    for title, sections, text in _SECTIONS:
        rows = [row for row in found.rows if row.metric.split(".")[0] in sections]
        if not rows:
            continue
        caption = phrase("{title}: {b} against {a}", title=translated(title), a=names[0], b=names[-1])
        blocks = [_table(t.rows(caption, rows, names))]
        if title == "Serving":
            ends = (found.runs[0], found.runs[-1])
            curves = serving_curves(ends, (names[0], names[-1]))
            blocks.insert(0, _picture(curves, "serving", files, pictures))
        if title == "Quality" and found.changes:
            blocks.append(_table(t.changed_cases(found, names)))
        yield _part(title, sections[0], text, blocks)


def _part(title: str, anchor: str, text: str, blocks: Sequence[_Block]) -> _Part:
    return _Part(translated(title), anchor, translated(text), blocks)


def _table(table: Table) -> _Block:
    return _Block(Markup(table.html()), table.markdown())


def _picture(figure: Figure, name: str, files: str, pictures: dict[str, str]) -> _Block:
    """A figure with its labels and words in the current language."""
    here = figure.here()
    file = f"{name}.svg" if language.current() == "en" else f"{name}.{language.current()}.svg"
    pictures[file] = here.svg
    source, alt, caption = data_uri(here.svg, "image/svg+xml"), escape_html(here.alt), escape_html(here.caption)
    html = f'<figure><img src="{source}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'
    markdown = f"![{escape_markdown(here.alt)}]({files}/{file})\n\n{escape_markdown(here.caption)}"
    return _Block(Markup(html), markdown)
