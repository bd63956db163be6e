"""The verbs report, render and publish."""

from __future__ import annotations

import argparse

from evalpress.cli.verb import Verbs, of_a_set


def add(verbs: Verbs) -> None:
    """Declare the verbs."""
    report = of_a_set(verbs, "report", _report, "run what is stale, render the report")
    report.add_argument("--force", action="store_true", help="measure every section again")
    of_a_set(verbs, "render", _render, "render from the results that are there; loads no engine")
    of_a_set(verbs, "publish", _publish, "copy a finished report to reports/published/<set>/ and rebuild its index")


def _report(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.report(args.set, args.reports_dir, force=args.force)


def _render(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.report(args.set, args.reports_dir, only_render=True)


def _publish(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.publish(args.set, args.reports_dir)
