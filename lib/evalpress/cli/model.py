"""`evalpress model NAME`: make the model of a recipe under `.cache/models/`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from evalpress.cli.verb import Verbs, plain
from evalpress.core.paths import shown

_TEXT = "make a model from its recipe under .cache/models/; without a name: list the recipes"


def add(verbs: Verbs) -> None:
    """Register the verb."""
    verb = plain(verbs, "model", _run, _TEXT)
    verb.add_argument("name", nargs="?", metavar="NAME")
    verb.add_argument("--wheel", type=Path, metavar="FILE", help="the recipe's wheel, where it was fetched already")
    verb.add_argument("--force", action="store_true", help="make it again")
    verb.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _run(args: argparse.Namespace) -> int:
    from evalpress.model import recipes

    if args.name is None:
        rows = [
            {"name": name, "from": recipe.requirement, "licence": recipe.licence, "made": recipes.is_made(name)}
            for name, recipe in recipes.RECIPES.items()
        ]
        text = "\n".join(f"{row['name']:<16} {row['from']:<22} {row['licence']}" for row in rows)
        print(json.dumps(rows) if args.json else text)
        return 0
    folder = recipes.folder_of(args.name)
    if args.force or not recipes.is_made(args.name):
        recipes.make(args.name, args.wheel)
    print(json.dumps({"folder": shown(folder)}) if args.json else shown(folder))
    return 0
