"""Finished reports as a folder that any web server, or a reader's disk, can show."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from evalpress.core.errors import UserError
from evalpress.core.results import write_text
from evalpress.core.version import __version__
from evalpress.display.blocks import SYMBOLS
from evalpress.display.tables import Badge, visible
from evalpress.report.exporters import FILES, TEMPLATES, stylesheet
from evalpress.report.folders import replacing
from evalpress.report.links import placed
from evalpress.report.render import readable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEEDED = ("summary.json", "report.html", "report.md", FILES)
RAW_LIMIT = 5 * 1024 * 1024
"""Bytes of raw observations that are published as they are; more is zipped, and left out where the archive is larger,
too, to keep clones of the project small."""


@dataclass(frozen=True)
class Published:
    """What was published: the report's page, the list of reports, and what was left out (empty when nothing)."""

    page: Path
    index: Path
    left_out: str


def publish(report_dir: Path, published_root: Path, set_name: str) -> Published:
    """Copy a finished report to `published_root/<set_name>/` and rebuild the list of published reports.

    The pages, the summary and the results go along, and the raw observations: as they are, as `results/raw.zip` where
    they exceed `RAW_LIMIT`, not at all where the archive does. The page gets links to what lies there.

    Raises:
        UserError: the report is not finished, or the name is no plain folder name.
    """
    if not _NAME.fullmatch(set_name):
        raise UserError(f"publish: set name: found {set_name!r}, allowed letters, digits, '.', '_' and '-'")
    missing = [name for name in _NEEDED if not (report_dir / name).exists()]
    if missing:
        raise UserError(f"publish: {report_dir.name}: unfinished report, it has no {', '.join(missing)}")
    with replacing(published_root / set_name) as folder:
        for name in ("summary.json", "report.md"):
            shutil.copyfile(report_dir / name, folder / name)
        shutil.copytree(report_dir / FILES, folder / FILES)
        left_out = ""
        if (report_dir / "results").is_dir():
            shutil.copytree(report_dir / "results", folder / "results", ignore=shutil.ignore_patterns(".*"))
            _drop_failed(report_dir, folder / "results")
            left_out = _pack(folder / "results")
        page = (report_dir / "report.html").read_text(encoding="utf-8")
        write_text(folder / "report.html", placed(page, folder, index=True))
    return Published(published_root / set_name / "report.html", write_index(published_root), left_out)


def _drop_failed(report_dir: Path, results: Path) -> None:
    """Old results of a section that failed since stay with the report, but are not part of what it says."""
    try:
        sections = json.loads((report_dir / "summary.json").read_text(encoding="utf-8"))["sections"]
        failed = [name for name, state in sections.items() if state["status"] != "done"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    for name in failed:
        for path in (*results.glob(f"{name}.json"), *results.glob(f"raw/{name}-*")):
            path.unlink()


def _pack(results: Path) -> str:
    """Zip `results/raw` where it is large; returns what had to be left out."""
    raw = results / "raw"
    if sum(path.stat().st_size for path in raw.rglob("*") if path.is_file()) <= RAW_LIMIT:
        return ""
    archive = Path(shutil.make_archive(str(raw), "zip", results, "raw"))
    shutil.rmtree(raw)
    size = archive.stat().st_size
    if size <= RAW_LIMIT:
        return ""
    archive.unlink()
    return f"results/raw ({size / 2**20:.1f} MiB zipped)"


def write_index(published_root: Path) -> Path:
    """Write `index.html`, the list of everything published below the folder, newest first."""
    rows = [_row(path) for path in published_root.glob("*/summary.json")]
    rows.sort(key=lambda row: row["name"])
    rows.sort(key=lambda row: row["created"], reverse=True)
    environment = Environment(loader=FileSystemLoader(TEMPLATES / "index"), autoescape=True)
    template = environment.get_template("index.html.j2")
    page = template.render(rows=rows, stylesheet=Markup(stylesheet()), version=__version__)
    write_text(published_root / "index.html", page)
    return published_root / "index.html"


def _row(path: Path) -> dict[str, Any]:
    """One published report as the list shows it."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        verdict = summary["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path.parent.name}/summary.json: not a summary with a verdict") from None
    status = verdict if verdict in SYMBOLS else "info"
    finished = summary.get("measured") or summary.get("created")
    return {
        "name": path.parent.name,
        "model": visible(readable(summary.get("model")) or "not named"),
        "platform": visible(readable(summary.get("platform")) or "not named"),
        "device": visible(readable(summary.get("device"))),
        "created": str(finished or ""),
        "date": readable(finished) or "not dated",
        "badge": Markup(Badge(status, str(verdict)).html()),
    }
