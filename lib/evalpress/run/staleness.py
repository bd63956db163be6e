"""Whether an executed notebook and the rendered report still show what would be shown today. Decided by content."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalpress.core.errors import UserError
from evalpress.core.hashing import digest, file_digest
from evalpress.core.paths import NOTEBOOKS, ROOT, resolve
from evalpress.core.results import read_json, write_json
from evalpress.display import language
from evalpress.params import Params, referenced_files
from evalpress.sections import staleness, states
from evalpress.sections.registry import SECTIONS, SUMMARY, Section

_STATE = ".state.json"
_TEMPLATES = ROOT / "lib" / "evalpress" / "report"


def inputs_digest(section: Section, params: Params) -> str:
    """Digest of what decides how results are shown: cells (prose too), parameters, files they name, library."""
    notebook = NOTEBOOKS / f"{section.notebook}.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return digest(
        {
            "cells": ["".join(cell["source"]) for cell in cells],
            "params": params.model_dump(mode="json", exclude={"report"}),
            "catalogues": _digests(language.catalogues()),
            "files": {name: file_digest(resolve(name)) for _, name in referenced_files(params)},
            "library": {name: staleness.library_digest(name) for name in sorted(_modules("\n".join(code)))},
        }
    )


def display_digest(inputs: str, section: Section, folder: Path) -> str:
    """Digest of all that decides what the executed notebook shows: `inputs_digest` and the results themselves."""
    return digest({"inputs": inputs, "results": _digests(_results(section, folder))})


def executed_digest(executed: Path) -> str | None:
    """The digest that a finished executed notebook carries; None where there is none that counts."""
    try:
        mark = json.loads(executed.read_text(encoding="utf-8"))["metadata"]["evalpress"]
        return str(mark["digest"]) if mark["status"] == "done" else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def render_digest(
    folder: Path, title: str, failures: Mapping[str, str], skipped: Mapping[str, str], languages: Sequence[str]
) -> str:
    """Digest of all that decides what the report looks like."""
    templates = sorted(p for p in _TEMPLATES.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc"))
    return digest(
        {
            "notebooks": _digests(sorted((folder / "notebooks").glob("*.ipynb"))),
            "summary": _digests([folder / "summary.json"]),
            "library": staleness.library_digest("evalpress.report"),
            "templates": _digests(templates),
            "title": title,
            "failures": dict(failures),
            "skipped": dict(skipped),
            "languages": list(languages),
            "catalogues": _digests(language.catalogues()),
        }
    )


def is_rendered(folder: Path, digest: str) -> bool:
    """Whether the report was rendered from exactly this, and its pages are as they were written."""
    try:
        state = read_json(folder / _STATE)
    except UserError:
        return False
    return bool(state == {"render": digest, "pages": _digests(_pages(folder))})


def set_rendered(folder: Path, digest: str) -> None:
    """Remember what the report was rendered from."""
    write_json(folder / _STATE, {"render": digest, "pages": _digests(_pages(folder))})


def _pages(folder: Path) -> list[Path]:
    """The two pages of the report, and those in other languages."""
    return [
        folder / "report.html",
        folder / "report.md",
        *sorted(folder.glob("report.*.html")),
        *sorted(folder.glob("report.*.md")),
    ]


def _results(section: Section, folder: Path) -> list[Path]:
    """What a notebook shows; the summary's own file too, so that an edited one is made again."""
    if section.name != SUMMARY.name:
        return [folder / "results" / f"{section.name}.json"]
    names = [*(f"{one.name}.json" for one in SECTIONS), states.NAME]
    return [*(folder / "results" / name for name in names), folder / "summary.json"]


def _digests(paths: list[Path]) -> dict[str, str | None]:
    return {path.name: file_digest(path) if path.is_file() else None for path in paths}


def _modules(code: str) -> set[str]:
    """Modules of the library that notebook code imports; their own imports are followed by the fingerprint."""
    lines = [line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))]
    found: set[str] = set()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return {name for name in found if name.split(".")[0] == "evalpress"}
