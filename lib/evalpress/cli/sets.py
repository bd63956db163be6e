"""The verb sets: what is there to be measured."""

from __future__ import annotations

import argparse

from evalpress.cli.verb import Verbs, plain


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    plain(verbs, "sets", _sets, "list the sets of params/")


def _sets(args: argparse.Namespace) -> int:
    from evalpress import params

    for name in params.available_sets():
        loaded = params.load(name)
        print(f"{name:<24} {loaded.platform.backend:<7} {loaded.title}")
    return 0
