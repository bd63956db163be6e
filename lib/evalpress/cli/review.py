"""The verb review: quality cases that wait for a person."""

from __future__ import annotations

import argparse
import difflib

from evalpress.cli.verb import Verbs, of_a_set, set_name
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown, told


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    review = of_a_set(verbs, "review", _review, "list the quality cases that wait for a person, or record a verdict")
    review.add_argument("--case", metavar="ID", help="the case to decide; without it the waiting cases are listed")
    review.add_argument("--verdict", choices=("pass", "fail"))
    review.add_argument("--reviewer", metavar="NAME")
    review.add_argument("--comment", default="", metavar="TEXT")


def _review(args: argparse.Namespace) -> int:
    from evalpress.sections.job import read_results
    from evalpress.sections.quality import reviews

    name = set_name(args.set)
    path = resolve(args.reports_dir) / name / "results" / "quality.json"
    if not path.is_file():
        raise UserError(f"{told(path)}: no results; measure them with `make report SET={args.set}`")
    cases = read_results(path, "quality").data.cases
    waiting = reviews.pending(cases)
    if args.case is None:
        for case in waiting:
            print(f"{case.id}\n  asked:   {case.prompt!r}\n  output:  {case.output!r}")
            print(f"  look at: {case.reason}")
        print(f"{len(waiting)} waiting; decide one: evalpress review --case ID --verdict pass|fail --reviewer NAME")
        return 0
    _known(args.case, [case.id for case in cases], [case.id for case in waiting])
    if args.verdict is None or args.reviewer is None:
        raise UserError("review: --case needs --verdict pass|fail and --reviewer NAME")
    reviews.record(name, args.case, args.verdict, args.reviewer, args.comment, args.reports_dir)
    print(f"recorded in {shown(reviews.path_of(name))}; `make report SET={args.set}` judges again")
    return 0


def _known(case: str, cases: list[str], waiting: list[str]) -> None:
    """Refuse a case that the report does not have, with the nearest one and those that wait."""
    if case in cases:
        return
    close = difflib.get_close_matches(case, waiting or cases, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UserError(f"review: case {case!r}: not in this report{hint}; waiting: {', '.join(waiting) or 'none'}")
