"""The list of all published reports, newest measurement first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.core.results import write_text
from evalpress.core.version import __version__
from evalpress.display import language
from evalpress.display.blocks import SYMBOLS
from evalpress.display.language import phrase, translated
from evalpress.display.tables import Badge, fmt, visible
from evalpress.params.engine import COMPILED, EAGER
from evalpress.report.exporters import TEMPLATES, stylesheet
from evalpress.report.render import readable

_VERSIONS = {
    "vllm": "vLLM",
    "vllm_ascend": "vLLM-Ascend",
    "torch": "torch",
    "torch_npu": "torch-npu",
    "cann": "CANN",
    "transformers": "transformers",
}
_REASONS = 3
"""Gates that are named as the reason of a verdict; the others are counted."""


@dataclass(frozen=True)
class _Link:
    """A page or file of a report: address from the list, words, language."""

    address: str
    words: str
    language: str = ""


@dataclass(frozen=True)
class _Row:
    """One published measurement as the list shows it."""

    set: str
    folder: str
    newest: bool
    model: str
    platform: str
    device: str
    moment: str
    date: str
    badge: Markup
    reason: str
    headline: tuple[str, ...]
    versions: tuple[str, ...]
    pages: tuple[_Link, ...]
    files: tuple[_Link, ...]
    raw: tuple[_Link, ...]


def write_index(published_root: Path) -> Path:
    """Write the list of everything published below the folder, newest measurement first, in every language.

    `index.html` is in English, every other one is `index.<language>.html`; they link to each other.

    Raises:
        UserError: a report's summary is none.
    """
    for here in language.LANGUAGES:
        with language.using(here):
            write_text(published_root / index_name(here), _index(published_root, here))
    return published_root / index_name(language.LANGUAGES[0])


def index_name(name: str) -> str:
    """The file of the list in a language."""
    return "index.html" if name == language.LANGUAGES[0] else f"index.{name}.html"


def _index(root: Path, here: str) -> str:
    """The list in the current language, `here`."""
    rows = [row for folder in _sets(root) for row in _rows_of(folder)]
    rows.sort(key=lambda row: (row.set, not row.newest))
    rows.sort(key=lambda row: row.moment, reverse=True)
    environment = Environment(loader=FileSystemLoader(TEMPLATES / "index"), autoescape=True)
    return environment.get_template("index.html.j2").render(
        rows=rows,
        stylesheet=Markup(stylesheet()),
        version=__version__,
        tag=language.TAGS[here],
        languages=[
            {"address": index_name(one), "tag": language.TAGS[one], "name": language.NAMES[one], "here": one == here}
            for one in language.LANGUAGES
        ],
        _=language.phrase,
    )


def _sets(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/summary.json"))


def _rows_of(folder: Path) -> Iterator[_Row]:
    """The newest measurement of a set under the set's own address, every other one under its dated folder."""
    newest = _row(folder, folder.name, newest=True)
    yield newest
    dated = sorted(path.parent for path in folder.glob("*/summary.json"))
    same = [path for path in dated if _same(path, folder)]
    for path in dated:
        if path != (same[-1] if same else None):
            yield _row(path, f"{folder.name}/{path.name}", newest=False)


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold one measurement."""
    results = (one / "results", other / "results")
    names = [sorted(path.name for path in folder.glob("*.json") if path.name != "status.json") for folder in results]
    moments = [_moment(_summary(folder)) for folder in (one, other)]
    alike = all((results[0] / name).read_bytes() == (results[1] / name).read_bytes() for name in names[0])
    return names[0] == names[1] and moments[0] == moments[1] and alike


def _row(folder: Path, address: str, *, newest: bool) -> _Row:
    summary = _summary(folder)
    verdict = summary["verdict"]
    status = verdict if verdict in SYMBOLS else "info"
    return _Row(
        set=folder.name if newest else folder.parent.name,
        folder="" if newest else folder.name,
        newest=newest,
        model=visible(readable(summary.get("model")) or phrase("not named")),
        platform=visible(readable(summary.get("platform")) or phrase("not named")),
        device=visible(readable(summary.get("device"))),
        moment=_moment(summary),
        date=readable(_moment(summary)) or phrase("not dated"),
        badge=Markup(Badge(status, str(verdict)).html()),
        reason=visible(_reason(summary)),
        headline=tuple(map(visible, _headline(summary))),
        versions=tuple(map(visible, _versions(folder))),
        pages=tuple(_pages(folder, address)),
        files=tuple(_files(folder, address)),
        raw=tuple(_raw(folder, address)),
    )


def _summary(folder: Path) -> Json:
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        summary["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder.name}/summary.json: not a summary with a verdict") from None
    found: Json = summary
    return found


def _moment(summary: Json) -> str:
    return str(summary.get("measured") or summary.get("created") or "")


def _reason(summary: Json) -> str:
    """Which gates decide the verdict; what all of them say where none warns or fails."""
    gates = [gate for gate in summary.get("gates") or () if isinstance(gate, dict)]
    told = [gate for gate in gates if gate.get("status") == summary["verdict"] and gate["status"] != "pass"]
    if not told:
        return phrase("all {n} gates pass", n=len(gates)) if gates else ""
    named = [f"{gate.get('section')}: {_gate(str(gate.get('id')))}" for gate in told]
    listed = translated("; ".join(named[:_REASONS]))
    more = len(named) - _REASONS
    return phrase("{listed}, and {more} more", listed=listed, more=more) if more > 0 else listed


def _gate(name: str) -> str:
    """`steadiness.decode` as "steadiness, decode"."""
    return name.replace("_", " ").replace(".", ", ")


def _headline(summary: Json) -> Iterator[str]:
    """The speeds of the headline in every mode, without starts; nothing where they are not valid."""
    headline = summary.get("headline")
    if not isinstance(headline, dict) or not headline.get("valid"):
        return
    for row in headline.get("rows") or ():
        if row.get("workload") == "start-up":
            continue
        names = {EAGER: EAGER, COMPILED: row.get("mode", COMPILED)}
        modes = [f"{name} {fmt(row[key])}" for key, name in names.items() if row.get(key) is not None]
        if modes:
            yield translated(f"{row.get('label')}, {row.get('unit')}: {', '.join(modes)}")


def _versions(folder: Path) -> Iterator[str]:
    try:
        setup = json.loads((folder / "results" / "setup.json").read_text(encoding="utf-8"))
        versions = setup["provenance"]["versions"]
        yield from (f"{words} {versions[name]}" for name, words in _VERSIONS.items() if versions.get(name))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return


def _pages(folder: Path, address: str) -> Iterator[_Link]:
    """Each page with its language, the one in the current language first."""
    found = []
    for path in folder.glob("report*.html"):
        with path.open(encoding="utf-8") as file:
            found.append((language.of_page(file.read(1000)), path.name))
    for name, file_name in sorted(found, key=lambda one: (one[0] != language.current(), len(one[1]), one[1])):
        yield _Link(f"{address}/{file_name}", language.NAMES[name], language.TAGS[name])


def _files(folder: Path, address: str) -> Iterator[_Link]:
    for path in sorted(folder.glob("report*.md"), key=lambda path: (len(path.name), path.name)):
        other = path.name.removeprefix("report").removesuffix(".md").strip(".")
        yield _Link(f"{address}/{path.name}", f"Markdown{f' ({other})' if other else ''}")
    yield _Link(f"{address}/summary.json", phrase("verdict (JSON)"))
    for path in sorted((folder / "results").glob("*.json")):
        if path.name != "status.json":
            yield _Link(f"{address}/results/{path.name}", path.stem)


def _raw(folder: Path, address: str) -> Iterator[_Link]:
    results = folder / "results"
    if (results / "raw.zip").is_file():
        yield _Link(f"{address}/results/raw.zip", "raw.zip")
    for path in sorted(path for path in (results / "raw").rglob("*") if path.is_file()):
        yield _Link(f"{address}/{path.relative_to(folder).as_posix()}", path.stem)
