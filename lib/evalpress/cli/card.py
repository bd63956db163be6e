"""The verb card: the model repository of a finished report."""

from __future__ import annotations

import argparse
import json

from evalpress.cli.verb import Verbs, of_a_set, set_name
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    card = of_a_set(verbs, "card", _card, "write the model repository of a finished report to reports/<set>/card/")
    card.add_argument(
        "--languages",
        metavar="LIST",
        help="en, zh or both, the first for README.md (default: the set's)",
    )
    card.add_argument("--json", action="store_true", help="print the paths as one JSON document and nothing else")


def _card(args: argparse.Namespace) -> int:
    from evalpress.report.card import LANGUAGES, make

    languages = [part.strip() for part in args.languages.split(",")] if args.languages else _of_the_set(args.set)
    unknown = [one for one in languages if one not in LANGUAGES]
    if unknown or len(set(languages)) < len(languages):
        raise UserError(f"--languages: found {args.languages!r}, allowed {' or '.join(LANGUAGES)}, each at most once")
    paths = make(resolve(args.reports_dir) / set_name(args.set), languages)
    if args.json:
        print(json.dumps([str(path) for path in paths], ensure_ascii=False, indent=1))
    else:
        print("\n".join(shown(path) for path in paths))
    return 0


def _of_the_set(name: str) -> list[str]:
    """The languages of a set; all, for a report whose set is not here."""
    from evalpress import params
    from evalpress.report.card import LANGUAGES

    try:
        return list(params.load(name).report.order)
    except UserError:
        return list(LANGUAGES)
