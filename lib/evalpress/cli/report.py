"""The verbs report, render and publish."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from evalpress.cli.verb import Verbs, of_a_set, takes_params
from evalpress.core.errors import UserError

if TYPE_CHECKING:
    from evalpress.run.estimate import Row


def add(verbs: Verbs) -> None:
    """Declare the verbs."""
    report = of_a_set(verbs, "report", _report, "run what is stale, render the report")
    report.add_argument("--force", action="store_true", help="measure every section again")
    takes_params(report)
    report.add_argument("--dry-run", action="store_true", help="say what would be measured, why, and for how long")
    report.add_argument("--json", action="store_true", help="with --dry-run: one JSON document")
    takes_params(of_a_set(verbs, "render", _render, "render from the results that are there; loads no engine"))
    of_a_set(verbs, "publish", _publish, "copy a finished report to reports/published/<set>/ and rebuild its index")


def _report(args: argparse.Namespace) -> int:
    from evalpress.params import parse_overrides
    from evalpress.run import pipeline

    if args.dry_run:
        return _dry_run(args)
    if args.json:
        raise UserError("report: --json needs --dry-run")
    return pipeline.report(args.set, args.reports_dir, force=args.force, overrides=parse_overrides(args.param))


def _dry_run(args: argparse.Namespace) -> int:
    from evalpress.params import parse_overrides
    from evalpress.run import estimate, pipeline

    given = parse_overrides(args.param)
    asked = pipeline.prepare(args.set, args.reports_dir, force=args.force, overrides=given)
    found, budget = estimate.rows(asked), asked.params.run.budget_minutes
    total = estimate.total_s(found)
    if args.json:
        minutes = None if total is None else round(total / 60, 2)
        print(json.dumps({"sections": [row.as_dict() for row in found], "minutes": minutes}))
        return 0
    for row in found:
        about = "about " if row.from_pilot else ""
        took = "unknown" if row.seconds is None else f"{about}{row.seconds / 60:.1f} min"
        print(f"  {row.section:<11} {row.todo:<11} {took:>14}  {'; '.join(row.why[:3])}".rstrip())
        if row.left_out:
            print(f"{'':14}left out for run.budget_minutes: {'; '.join(row.left_out)}")
    print(_in_all(found))
    if budget is not None and total is not None and total > 60 * budget:
        print(f"run.budget_minutes is {budget:g}: no section can be made shorter than this")
    return 0


def _in_all(found: Sequence[Row]) -> str:
    """The sum, and what it rests on."""
    known = [row.seconds for row in found if row.seconds is not None]
    unknown = [row.section for row in found if row.seconds is None]
    basis = ["as long as each section took in its last run here"] if any(not row.from_pilot for row in found) else []
    if any(row.from_pilot for row in found):
        basis.append("«about»: from a short pilot of this host, right within a factor of about two")
    rest = [f"unknown: {', '.join(unknown)}"] if unknown else []
    return "; ".join([f"{sum(known) / 60:.1f} min in all" if known else "nothing is known yet", *basis, *rest])


def _render(args: argparse.Namespace) -> int:
    from evalpress.params import parse_overrides
    from evalpress.run import pipeline

    return pipeline.report(args.set, args.reports_dir, only_render=True, overrides=parse_overrides(args.param))


def _publish(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.publish(args.set, args.reports_dir)
