"""Finished reports as a folder that any web server, or a reader's disk, can show.

`<root>/<set>/<date>-<commit>/` holds one measurement and is never written again. `<root>/<set>/` itself holds a copy of
the newest measurement, so that one address always shows it, in any viewer and on any file system. The two copies are
the same files except for the page's links, and a git repository stores equal files once.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.plain import Json
from evalpress.core.results import write_text
from evalpress.display import language
from evalpress.report.exporters import FILES
from evalpress.report.folders import replacing
from evalpress.report.links import commit_of, placed, placed_in_markdown
from evalpress.report.published_index import index_name, write_index

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEEDED = ("summary.json", "report.html", "report.md", FILES)
_DATED = re.compile(r"(?:\d{4}-\d\d-\d\d|undated)-[A-Za-z0-9-]+")
_COMMIT_LENGTH = 10
RAW_LIMIT = 5 * 1024 * 1024
"""Bytes of raw observations that are published as they are; more is zipped, and left out where the archive is larger,
too, to keep clones of the project small."""


@dataclass(frozen=True)
class Published:
    """What was published: page, dated folder, list of reports, and what was left out (empty when nothing)."""

    page: Path
    dated: Path
    index: Path
    left_out: str


def publish(report_dir: Path, published_root: Path, set_name: str) -> Published:
    """Add a finished report to `published_root/<set_name>/` and rebuild the list of published reports.

    The pages, the summary and the results go along, and the raw observations: as they are, as `results/raw.zip` where
    they exceed `RAW_LIMIT`, not at all where the archive does. The page gets links to what lies there. A measurement
    that is published already is not added again. The set's own folder then holds the newest measurement.

    Raises:
        UserError: the report is not finished, or the name is no plain folder name.
    """
    if not _NAME.fullmatch(set_name) or _DATED.fullmatch(set_name):
        raise UserError(f"publish: set name: found {set_name!r}, allowed letters, digits, '.', '_' and '-'")
    missing = [name for name in _NEEDED if not (report_dir / name).exists()]
    if missing:
        raise UserError(f"publish: {report_dir.name}: unfinished report, it has no {', '.join(missing)}")
    folder = published_root / set_name
    keep_history(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        left_out = _copy(report_dir, Path(scratch))
        dated = _add(Path(scratch), folder)
        if _moment(dated) >= max(map(_moment, _history(folder))):
            _show(Path(scratch), folder)
    return Published(folder / "report.html", dated, write_index(published_root), left_out)


def keep_history(folder: Path) -> None:
    """Bring a folder that holds one report alone into today's form: the report goes into its dated folder, too."""
    if (folder / "summary.json").is_file() and not list(_history(folder)):
        _add(folder, folder)
        _link_page(folder, "..")


def _copy(report_dir: Path, fresh: Path) -> str:
    """The files of a report that are published; returns what had to be left out."""
    for path in sorted((*report_dir.glob("report*.html"), *report_dir.glob("report*.md"), report_dir / "summary.json")):
        shutil.copyfile(path, fresh / path.name)
    shutil.copytree(report_dir / FILES, fresh / FILES)
    if not (report_dir / "results").is_dir():
        return ""
    shutil.copytree(report_dir / "results", fresh / "results", ignore=shutil.ignore_patterns(".*"))
    _drop_failed(report_dir, fresh / "results")
    return _pack(fresh / "results")


def _add(source: Path, folder: Path) -> Path:
    """Copy a measurement to a dated folder of its own, if it is not in one; returns that folder."""
    name = wanted = _dated_name(source)
    count = 1
    while (folder / name).exists():
        if _results(folder / name) == _results(source):
            return folder / name
        count += 1
        name = f"{wanted}-{count}"
    with replacing(folder / name) as fresh:
        for path in _published_files(source):
            (shutil.copytree if path.is_dir() else shutil.copyfile)(path, fresh / path.name)
        _link_page(fresh, "../..")
    return folder / name


def _show(source: Path, folder: Path) -> None:
    """Move what is in `source` to the set's own folder, in place of what it shows; its dated folders stay."""
    for path in _published_files(folder):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in _published_files(source):
        path.rename(folder / path.name)
    _link_page(folder, "..")


def _published_files(folder: Path) -> list[Path]:
    """Everything of a report in its folder: no dated folder, nothing hidden."""
    return sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and not _DATED.fullmatch(path.name)
    )


def _link_page(folder: Path, up: str) -> None:
    """Fill in the links of a report's pages to what lies beside them, and to the list in `up`, in their language."""
    newest = {} if up == ".." else {"../report.html": "newest of this set"}
    for path in folder.glob("report*.html"):
        page = path.read_text(encoding="utf-8")
        name = language.of_page(page)
        with language.using(name):
            write_text(path, placed(page, folder, {f"{up}/{index_name(name)}": "all reports"} | newest))
            if (twin := path.with_suffix(".md")).is_file():
                write_text(twin, placed_in_markdown(twin.read_text(encoding="utf-8"), folder, path.name))


def _history(folder: Path) -> Iterator[Path]:
    """The dated folders of a set."""
    return (path.parent for path in folder.glob("*/summary.json") if _DATED.fullmatch(path.parent.name))


def _dated_name(folder: Path) -> str:
    """Day of the last measurement and commit of the suite that measured."""
    commit = commit_of(folder)[:_COMMIT_LENGTH] or "mixed"
    return f"{_moment(folder)[:10] or 'undated'}-{commit}"


def _moment(folder: Path) -> str:
    """When the last measurement of a report ended, ISO-8601; "" where its summary does not say."""
    summary = _summary(folder)
    return str(summary.get("measured") or summary.get("created") or "")


def _summary(folder: Path) -> Json:
    try:
        found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _results(folder: Path) -> tuple[str, dict[str, bytes]]:
    """What distinguishes one measurement from another: its time and its results files."""
    files = {path.name: path.read_bytes() for path in (folder / "results").glob("*.json")}
    files.pop("status.json", None)
    return _moment(folder), files


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
