"""The verb status: what is current in a report, what is stale and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from evalpress.cli.verb import Verbs, of_a_set, takes_params


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    status = of_a_set(verbs, "status", _status, "say of each section whether it is current, or stale and why")
    takes_params(status)
    status.add_argument("--json", action="store_true", help="one JSON document: [{section, state, why: [text]}]")


def _status(args: argparse.Namespace) -> int:
    """0 where every section is current or skipped, else 1."""
    from evalpress.params import parse_overrides
    from evalpress.run import status

    found = status.of(args.set, args.reports_dir, parse_overrides(args.param))
    if args.json:
        print(json.dumps([one.as_dict() for one in found], ensure_ascii=True))
    else:
        for one in found:
            first, *rest = _folded(one.why) or ("",)
            print(f"  {one.section:<11} {one.state:<8} {first}".rstrip())
            for line in rest:
                print(f"  {'':<20} {line}")
    return 0 if all(one.state in ("current", "skipped") for one in found) else 1


_MOST = 3
"""Modules of the library that are named; an upgrade of the suite changes dozens."""


def _folded(why: Sequence[str]) -> list[str]:
    """The reasons, with the number of further modules in place of their names."""
    modules = [line for line in why if line.startswith("module ")]
    if len(modules) <= _MOST:
        return list(why)
    first, *others = modules[_MOST:]
    more = f"and {1 + len(others)} more modules of the library (--json names them)"
    return [more if line == first else line for line in why if line not in others]
