"""The verb sets: what is there to be measured."""

from __future__ import annotations

import argparse

from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    plain(verbs, "sets", _sets, "list the sets of params/")


def _sets(args: argparse.Namespace) -> int:
    """0, or 1 where a params file cannot be used: the others are still listed."""
    from evalpress import params

    broken = 0
    for name in params.available_sets():
        try:
            loaded = params.load(name)
        except UserError as error:
            broken += 1
            print(f"{name:<24} broken  {str(error).splitlines()[0]}")
        else:
            print(f"{name:<24} {loaded.platform.backend:<7} {loaded.title}")
    return 1 if broken else 0
