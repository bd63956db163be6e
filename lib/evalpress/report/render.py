"""From the executed notebooks of a report to its two pages."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.results import write_text
from evalpress.display import language
from evalpress.display.tables import moment
from evalpress.report.exporters import FILES, html_page, markdown_page
from evalpress.report.folders import replacing
from evalpress.report.links import placed, placed_in_markdown
from evalpress.report.merge import Source, merge, sources

_FACTS = {
    "model": "Model", "platform": "Platform", "device": "Device", "set": "Parameter set", "measured": "Finished",
    "created": "Rendered"
}  # fmt: skip
_PLATFORMS = {"cpu": "CPU", "cuda": "CUDA", "ascend": "Ascend NPU"}


@dataclass(frozen=True)
class RenderedPaths:
    """Where the pages are."""

    html: Path
    markdown: Path
    files: Path


def render(
    report_dir: Path,
    title: str,
    failures: Mapping[str, str] | None = None,
    skipped: Mapping[str, str] | None = None,
    languages: Sequence[str] = ("en",),
) -> RenderedPaths:
    """Write `report.html`, `report.md` and `report_files/`; each appears whole or not at all.

    The pages of every language but the first are `report.<language>.html` and `report.<language>.md`.

    Args:
        report_dir: holds `notebooks/*.ipynb`, `failed/*.ipynb` and perhaps `summary.json`.
        title: the report's one first-level heading.
        failures: section or notebook → why it failed. It shows that and no results.
        skipped: section or notebook → why it was not run.
        languages: the first is that of `report.html`.

    Raises:
        UserError: there is no notebook to render, or one that cannot be read.
    """
    found = sources(report_dir, failures or {}, skipped or {})
    pages = {name: _page(report_dir, found, title, name, languages) for name in languages}
    with replacing(report_dir / FILES) as folder:
        for _, _, pictures in pages.values():
            for name, data in pictures.items():
                (folder / Path(name).name).write_bytes(data)
    for old in (*report_dir.glob("report.*.html"), *report_dir.glob("report.*.md")):
        if old.name.split(".")[1] not in languages[1:]:
            old.unlink()
    for name, (page, text, _) in pages.items():
        stem = page_stem(name, languages)
        write_text(report_dir / f"{stem}.md", text)  # each page links to the other: both must be there
        with language.using(name):
            write_text(report_dir / f"{stem}.html", placed(page, report_dir))
            write_text(report_dir / f"{stem}.md", placed_in_markdown(text, report_dir, f"{stem}.html"))
    return RenderedPaths(report_dir / "report.html", report_dir / "report.md", report_dir / FILES)


def page_stem(name: str, languages: Sequence[str]) -> str:
    """The name of a language's pages without their ending: `report`, or `report.zh` where it is not the first."""
    return "report" if name == languages[0] else f"report.{name}"


def _page(
    report_dir: Path, found: list[Source], title: str, name: str, languages: Sequence[str]
) -> tuple[str, str, dict[str, bytes]]:
    """The report in one language: HTML, Markdown and the Markdown's pictures."""
    with language.using(name):
        merged = merge(found, language.translated(title), facts(report_dir))
        if len(languages) > 1:
            merged.metadata.evalpress["pages"] = [
                {
                    "tag": language.TAGS[one],
                    "name": language.NAMES[one],
                    "stem": page_stem(one, languages),
                    "here": one == name,
                }
                for one in languages
            ]
        return html_page(merged), *markdown_page(merged)


def facts(report_dir: Path) -> dict[str, str]:
    """What the page's header says of the run, from `summary.json` where there is one.

    "Finished" is the end of the last measurement; rendering again changes only "Rendered".
    """
    try:
        summary = json.loads((report_dir / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(summary, dict):
        return {}
    return {
        language.translated(label): readable(summary[key])
        for key, label in _FACTS.items()
        if readable(summary.get(key))
    }


def readable(value: Any) -> str:
    """A value of the summary in words: a device or platform by its name, a moment without its T, "" for nothing."""
    if isinstance(value, dict):
        value = value.get("name")
    if not isinstance(value, str):
        return ""
    return language.translated(moment(_PLATFORMS.get(value, value)))
