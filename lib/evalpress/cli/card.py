"""The verb card: the model repository of a finished report."""

from __future__ import annotations

import argparse
import json

from evalpress.cli.verb import Verbs, chosen_languages, of_a_set, set_name, takes_languages
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown
from evalpress.display.language import LANGUAGES


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    card = of_a_set(verbs, "card", _card, "write the model repository of a finished report to reports/<set>/card/")
    takes_languages(card, "those of the set")
    card.add_argument("--json", action="store_true", help="print the paths as one JSON document and nothing else")


def _card(args: argparse.Namespace) -> int:
    from evalpress.report.card import make

    languages = chosen_languages(args) or _of_the_set(args.set)
    paths = make(resolve(args.reports_dir) / set_name(args.set), languages)
    if args.json:
        print(json.dumps([str(path) for path in paths], ensure_ascii=False, indent=1))
    else:
        print("\n".join(shown(path) for path in paths))
    return 0


def _of_the_set(name: str) -> tuple[str, ...]:
    """The languages of a set; all, for a report whose set is not here."""
    from evalpress import params

    try:
        return params.load(name).report.order
    except UserError:
        return LANGUAGES
