"""Debian's Chromium, driven by Playwright, without any network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import NAMES


@contextmanager
def started() -> Iterator[Any]:
    """A browser; the test is skipped where Playwright or Chromium is not installed."""
    api = pytest.importorskip("playwright.sync_api")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: found none of {', '.join(NAMES)} in PATH")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Tab:
    """A page from disk in a window of one width and theme; what it logs is kept."""

    def __init__(self, browser: Any, path: Path, anchor: str = "", width: int = 1300, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **context)
        self.page = self.context.new_page()
        self.logged: list[str] = []
        self.page.on("console", lambda message: self.logged.append(message.text))
        self.page.on("pageerror", lambda error: self.logged.append(str(error)))
        self.page.goto(path.resolve().as_uri() + anchor)

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open_everything(self) -> None:
        """Open every fold, as a reader of all would."""
        self.page.evaluate(
            "for (const fold of document.querySelectorAll('main details')) { fold.name = ''; fold.open = true; }"
        )
        self.page.wait_for_timeout(200)
