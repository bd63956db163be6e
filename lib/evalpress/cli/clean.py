"""The verb clean. Needs only Python itself, so that `make clean` never sets up an environment."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from evalpress.cli.verb import Verbs, of_a_set, set_name
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown

_PUBLISHED = "published"


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    clean = of_a_set(verbs, "clean", _clean, "remove generated reports; published ones stay", "all of them")
    clean.set_defaults(set=None)


def _clean(args: argparse.Namespace) -> int:
    from evalpress.core import lock

    reports = resolve(args.reports_dir)
    names = [set_name(args.set)] if args.set else _generated(reports)
    for name in names:
        if not (reports / name).exists():
            print(f"{shown(reports / name)}: nothing to remove")
            continue
        if name not in _generated(reports):
            there = ", ".join(_generated(reports)) or "none"
            raise UserError(f"{shown(reports / name)}: no generated report, nothing removed; there are: {there}")
        with lock.held(reports / name):
            shutil.rmtree(reports / name)
        print(f"removed {shown(reports / name)}")
    return 0


def _generated(reports: Path) -> list[str]:
    """Folders that a report was made in, recognised by their lock file: nothing else is removed."""
    return sorted(path.parent.name for path in reports.glob("*/.lock") if path.parent.name != _PUBLISHED)
