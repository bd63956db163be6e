"""What verbs share: the options of a set, and names of sets given by name or by file."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from evalpress.core import names
from evalpress.core.errors import UserError
from evalpress.core.paths import PARAMS, ROOT, resolve
from evalpress.display.language import LANGUAGES

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_SET = re.compile(r"""^set:[ \t]*(?P<quote>["']?)(?P<name>[^\n#]+?)(?P=quote)[ \t]*(?:#.*)?$""", re.MULTILINE)
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
        "--set",
        type=given_set,
        default="demo",
        metavar="NAME",
        help=f"a set of params/, or a params file (default: {default})",
    )
    verb.add_argument(
        "--reports-dir", default="reports", metavar="DIR", help="folder of all reports, relative to the project"
    )
    return verb


def given_set(text: str) -> str:
    """A params file in the working folder, as a path relative to the project or absolute; other text unchanged."""
    path = Path(text)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return text
    absolute = path.resolve()
    return str(absolute.relative_to(ROOT)) if absolute.is_relative_to(ROOT) else str(absolute)


def takes_languages(verb: argparse.ArgumentParser, default: str) -> None:
    """Add --language, by its other name --languages: `chosen_languages` reads it."""
    verb.add_argument(
        "--language",
        "--languages",
        dest="languages",
        metavar="LIST",
        help=f"en, zh or both (en,zh): the first is that of the main page (default: {default})",
    )


def chosen_languages(args: argparse.Namespace) -> tuple[str, ...]:
    """The languages that were asked for, in order; none where none were.

    Raises:
        UserError: there is no such language, or one is named twice.
    """
    found = tuple(part.strip() for part in (args.languages or "").split(",") if part.strip())
    if args.languages is not None and (not found or not set(found) <= set(LANGUAGES) or len(set(found)) < len(found)):
        allowed = f"{' or '.join(LANGUAGES)}, each at most once"
        raise UserError(f"--language: found {args.languages!r}, allowed {allowed}")
    return found


def takes_params(verb: argparse.ArgumentParser) -> None:
    """Add --param: parameters in place of those of the file."""
    verb.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter in place of the file's, for instance engine.max_num_seqs=32; may be repeated",
    )


def set_name(given: str) -> str:
    """The name of the report's folder for a set that is given by name or by its file.

    It is what the file says under `set:`, else the file's name without its suffix. Read without any library, so that
    `clean` needs only Python: the key is at the start of a line.

    Raises:
        UserError: no set can have this name.
    """
    is_file = given.endswith((".yaml", ".yml"))
    name = Path(given).stem if is_file else given
    places = (Path(given), resolve(given)) if is_file else (PARAMS / f"{given}.yaml",)
    for path in places:
        if path.is_file():
            found = _SET.search(path.read_text(encoding="utf-8", errors="replace"))
            name = found["name"] if found else name
            break
    if why := names.refused(name):
        raise UserError(f"set {name!r}: not the name of a set: {why}")
    return name
