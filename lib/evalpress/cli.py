"""The command line: `python -m evalpress <verb>`. Every mistake of the user's is one line, never a traceback."""

from __future__ import annotations

import argparse
import shutil
import sys
import traceback
from pathlib import Path

from evalpress.errors import UserError
from evalpress.paths import CACHE, resolve, shown

_EXAMPLES = """\
examples:
  python -m evalpress report                            the demo model on this machine's CPU
  python -m evalpress report --set qwen2-0.5b-cpu       another set of params/
  python -m evalpress report --set params/mine.yaml     a params file of your own
  python -m evalpress render --set demo                 render again, measure nothing
  python -m evalpress publish --set demo                copy the finished report to reports/published/demo/

exit status: 0; 1 when a notebook failed or a gate is `fail`; 2 for unusable parameters (nothing was run)
"""
_PUBLISHED = "published"


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except UserError as error:
        for line in str(error).splitlines():
            print(f"evalpress: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "evalpress: stopped; nothing half-written, no process left; the same command goes on from here",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        log = CACHE / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"evalpress: unexpected {text[:300]} (traceback: {shown(log)})", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evalpress",
        description="Measure a language model on vLLM (Ascend NPU, CUDA, CPU) and print a publishable report.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    report = _verb(verbs, "report", _report, "run what is stale, render the report")
    report.add_argument("--force", action="store_true", help="measure every section again")
    _verb(verbs, "render", _render, "render from the results that are there; loads no engine")
    _verb(verbs, "publish", _publish, "copy a finished report to reports/published/<set>/ and rebuild its index")
    clean = _verb(verbs, "clean", _clean, "remove generated reports; published ones stay")
    clean.set_defaults(set=None)
    review = _verb(verbs, "review", _review, "list the quality cases that wait for a person, or record a verdict")
    review.add_argument("--case", metavar="ID", help="the case to decide; without it the waiting cases are listed")
    review.add_argument("--verdict", choices=("pass", "fail"))
    review.add_argument("--reviewer", metavar="NAME")
    review.add_argument("--comment", default="", metavar="TEXT")
    sets = verbs.add_parser("sets", help="list the sets of params/")
    sets.set_defaults(run=_sets)
    return parser


def _verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: object, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
    default = "all of them" if name == "clean" else "demo"
    verb.add_argument(
        "--set", default="demo", metavar="NAME", help=f"a set of params/, or a params file (default: {default})"
    )
    verb.add_argument(
        "--reports-dir", default="reports", metavar="DIR", help="folder of all reports, relative to the project"
    )
    verb.set_defaults(run=run)
    return verb


def _report(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.report(args.set, args.reports_dir, force=args.force)


def _render(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.report(args.set, args.reports_dir, only_render=True)


def _publish(args: argparse.Namespace) -> int:
    from evalpress.run import pipeline

    return pipeline.publish(args.set, args.reports_dir)


def _review(args: argparse.Namespace) -> int:
    from evalpress import results
    from evalpress.quality import reviews

    if args.case is None:
        path = resolve(args.reports_dir) / _set_name(args.set) / "results" / "quality.json"
        waiting = reviews.pending(results.read(path, "quality")["data"]["cases"])
        for case in waiting:
            print(f"{case['id']}\n  asked:   {case['prompt']!r}\n  output:  {case['output']!r}")
            print(f"  look at: {case['reason']}")
        print(f"{len(waiting)} waiting; decide one: evalpress review --case ID --verdict pass|fail --reviewer NAME")
        return 0
    if args.verdict is None or args.reviewer is None:
        raise UserError("review: --case needs --verdict pass|fail and --reviewer NAME")
    name = _set_name(args.set)
    reviews.record(name, args.case, args.verdict, args.reviewer, args.comment, args.reports_dir)
    print(f"recorded in {shown(reviews.path_of(name))}; `make report SET={args.set}` judges again")
    return 0


def _clean(args: argparse.Namespace) -> int:
    """Needs nothing but Python itself, so that `make clean` never sets up an environment."""
    from evalpress.run import lock

    reports = resolve(args.reports_dir)
    names = [_set_name(args.set)] if args.set else _generated(reports)
    for name in names:
        if not (reports / name).exists():
            print(f"{shown(reports / name)}: nothing to remove")
            continue
        if name not in _generated(reports):
            there = ", ".join(_generated(reports)) or "none"
            raise UserError(f"{shown(reports / name)}: no generated report, nothing removed; there are: {there}")
        with lock.held(reports / name):
            shutil.rmtree(reports / name)
        print(f"removed {shown(reports / name)}")
    return 0


def _set_name(given: str) -> str:
    """The name of a set that is given by name or by its file: `qwen2-0.5b-cpu` has a dot and no suffix."""
    path = Path(given)
    return path.stem if path.suffix in (".yaml", ".yml") else given


def _generated(reports: Path) -> list[str]:
    """Folders that a report was made in, told by their lock file: nothing else is ever removed."""
    return sorted(path.parent.name for path in reports.glob("*/.lock") if path.parent.name != _PUBLISHED)


def _sets(args: argparse.Namespace) -> int:
    from evalpress import params

    for name in params.available_sets():
        loaded = params.load(name)
        print(f"{name:<24} {loaded.platform.backend:<7} {loaded.title}")
    return 0
