"""The verb compare: finished reports beside each other, figure by figure, as text, JSON and a page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from evalpress.cli.verb import Verbs, chosen_languages, plain, takes_languages
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve, shown

if TYPE_CHECKING:
    from evalpress.report.compare import Comparison, Row

_SHOWN = {
    "better": "better",
    "worse": "worse",
    "no_difference": "no difference shown",
    "not_comparable": "not comparable",
}


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = plain(
        verbs,
        "compare",
        _compare,
        "compare finished reports: sets, or folders of any machine and version; writes reports/compare/NAME.html",
    )
    verb.add_argument("a", metavar="A", help="a set, or the folder of a report: the run to compare with")
    verb.add_argument("b", metavar="B", help="a set, or the folder of a report: the run to judge")
    verb.add_argument(
        "more",
        metavar="C",
        nargs="*",
        help="further runs, in order of time: the first is compared with the last, headline figures are followed "
        "over all",
    )
    verb.add_argument("--reports-dir", default="reports", metavar="DIR", help="folder of all reports")
    verb.add_argument("--name", default="", help="name of the page (default: made of the runs' names)")
    takes_languages(verb, "those of the reports")
    verb.add_argument("--fail-on-regression", action="store_true", help="exit status 1 when a figure is worse")
    verb.add_argument(
        "--json", action="store_true", help="print one JSON document and nothing else; a page only with --name"
    )


def _compare(args: argparse.Namespace) -> int:
    """0; 1 when a figure is worse and --fail-on-regression was given."""
    from evalpress.core.names import refused
    from evalpress.report.compare import compared

    if args.name and (why := refused(args.name)):
        raise UserError(f"--name: found {args.name!r}, {why}")
    asked = chosen_languages(args)
    found = compared((args.a, args.b, *args.more), args.reports_dir)
    pages: tuple[Path, ...] = ()
    if args.name or not args.json:
        from evalpress.report.compare.page import languages_of, write

        languages = asked or languages_of(found.runs)
        pages = tuple(write(found, resolve(args.reports_dir) / "compare", args.name, languages))
    if args.json:
        print(json.dumps(found.as_dict(), ensure_ascii=False, indent=1))
    else:
        _say(found)
    if pages and not args.json:
        print("\n".join(map(shown, pages)))
    return 1 if args.fail_on_regression and any(row.verdict == "worse" for row in found.rows) else 0


def _say(found: Comparison) -> None:
    for one in found.conditions:
        first, *_, last = one.values
        if one.same:
            print(f"{one.name:<32} {first}")
        else:
            print(f"{one.name:<32} {first}  ->  {last}")
    width = max((len(row.metric) for row in found.rows), default=0)
    for row in found.rows:
        figures = f"{_number(row.a):>10} {_number(row.b):>10} {row.unit:<6} {_change(row):<28}"
        print(f"{row.metric:<{width}}  {figures} {_SHOWN[row.verdict]}")
    for trend in found.trends:
        values = "  ".join(_number(point.value) for point in trend.points)
        print(f"{trend.metric:<{width}}  {values} {trend.unit}")
    counts = {verdict: sum(row.verdict == verdict for row in found.rows) for verdict in _SHOWN}
    print(
        ", ".join(f"{n} {_SHOWN[verdict]}" for verdict, n in counts.items() if n) or "nothing that both runs measured"
    )


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.4g}" if abs(value) < 1e5 else f"{value:,.0f}"


def _change(row: Row) -> str:
    if row.ratio is None:
        return ""
    if row.ci_low is None or row.ci_high is None:
        return f"{row.ratio:.3f}"
    return f"{row.ratio:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"
