"""From the executed notebooks of a report to its two pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.core.results import write_text
from evalpress.display.tables import moment
from evalpress.report.exporters import FILES, html_page, markdown_page
from evalpress.report.folders import replacing
from evalpress.report.links import placed
from evalpress.report.merge import merge, sources

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
) -> RenderedPaths:
    """Write `report.html`, `report.md` and `report_files/`; each appears whole or not at all.

    Args:
        report_dir: holds `notebooks/*.ipynb`, `failed/*.ipynb` and perhaps `summary.json`.
        title: the report's one first-level heading.
        failures: section or notebook → why it failed. It shows that and no results.
        skipped: section or notebook → why it was not run.

    Raises:
        UserError: there is no notebook to render, or one that cannot be read.
    """
    merged = merge(sources(report_dir, failures or {}, skipped or {}), title, facts(report_dir))
    page = html_page(merged)
    text, pictures = markdown_page(merged)
    with replacing(report_dir / FILES) as folder:
        for name, data in pictures.items():
            (folder / Path(name).name).write_bytes(data)
    write_text(report_dir / "report.md", text)
    write_text(report_dir / "report.html", placed(page, report_dir))
    return RenderedPaths(report_dir / "report.html", report_dir / "report.md", report_dir / FILES)


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
    return {label: readable(summary[key]) for key, label in _FACTS.items() if readable(summary.get(key))}


def readable(value: Any) -> str:
    """A value of the summary in words: a device or platform by its name, a moment without its T, "" for nothing."""
    if isinstance(value, dict):
        value = value.get("name")
    if not isinstance(value, str):
        return ""
    return moment(_PLATFORMS.get(value, value))
