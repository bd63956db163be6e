"""The verb pdf: the finished page, printed by a headless Chromium."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from evalpress.cli.verb import Verbs, of_a_set, set_name
from evalpress.core.errors import MeasurementError, UserError
from evalpress.core.paths import resolve, shown, told

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    *("--headless", "--disable-gpu", "--no-sandbox", "--no-first-run", "--no-pdf-header-footer"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--generate-pdf-document-outline", "--export-tagged-pdf"),
)
_PATIENCE_S = 180


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    of_a_set(verbs, "pdf", _pdf, "print a finished report as PDF, with bookmarks (needs Chromium)")


def _pdf(args: argparse.Namespace) -> int:
    folder = resolve(args.reports_dir) / set_name(args.set)
    page, target = folder / "report.html", folder / "report.pdf"
    if not page.is_file():
        raise UserError(f"{told(page)}: no report of this set; make one with `make report SET={args.set}`")
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise UserError(
            f"pdf: no browser found, looked for {', '.join(_BROWSERS)} (Debian, Ubuntu: apt install chromium)"
        )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        _print(browser, page, Path(profile), target)
    print(shown(target))
    return 0


def _print(browser: str, page: Path, profile: Path, target: Path) -> None:
    made = profile / "report.pdf"
    command = [browser, *_FLAGS, f"--user-data-dir={profile}", f"--print-to-pdf={made}", page.absolute().as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"pdf: {browser} did not finish within {_PATIENCE_S} s") from None
    if not made.is_file():
        last = (done.stderr.strip().splitlines() or ["it printed no message"])[-1]
        raise MeasurementError(f"pdf: {browser} printed no file: {last}")
    shutil.copyfile(made, target)
