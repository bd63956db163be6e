"""What verbs share: the options of a set, and names of sets given by name or by file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run = Callable[[argparse.Namespace], int]


def plain(verbs: Verbs, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    """A verb without options of its own yet; `run` gets the parsed arguments and returns the exit status."""
    verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
    verb.set_defaults(run=run)
    return verb


def of_a_set(verbs: Verbs, name: str, run: Run, text: str, default: str = "demo") -> argparse.ArgumentParser:
    """A verb that works on one set: with --set and --reports-dir."""
    verb = plain(verbs, name, run, text)
    verb.add_argument(
        "--set", default="demo", metavar="NAME", help=f"a set of params/, or a params file (default: {default})"
    )
    verb.add_argument(
        "--reports-dir", default="reports", metavar="DIR", help="folder of all reports, relative to the project"
    )
    return verb


def set_name(given: str) -> str:
    """The name of a set that is given by name or by its file: `qwen2-0.5b-cpu` has a dot and no suffix."""
    path = Path(given)
    return path.stem if path.suffix in (".yaml", ".yml") else given
