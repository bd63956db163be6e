"""The verb judge: answers that another system made, judged by this suite's rules."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import TYPE_CHECKING

from evalpress.cli.verb import Verbs, plain

if TYPE_CHECKING:
    from evalpress.sections.quality.elsewhere import JudgedAnswer

_COUNTED = ("pass", "fail", "cut", "needs_review")


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    text = "judge answers that were made elsewhere: lines of JSON with case, output and finish_reason"
    judge = plain(verbs, "judge", _judge, text)
    judge.add_argument("outputs", metavar="OUTPUTS.jsonl")
    judge.add_argument("--cases", nargs="+", metavar="FILE", help="case files (default: those of params/base.yaml)")
    judge.add_argument(
        "--kind", choices=("chat", "base"), default="chat", help="how the model was asked (default: chat)"
    )
    judge.add_argument("--json", action="store_true", help="one JSON document on standard output")


def _judge(args: argparse.Namespace) -> int:
    from evalpress.sections.quality import elsewhere

    judged = elsewhere.judge(args.outputs, args.cases, args.kind)
    if args.json:
        print(json.dumps([one.model_dump(mode="json") for one in judged], ensure_ascii=True, indent=1))
    else:
        _print(judged)
    return 1 if any(one.verdict in ("fail", None) for one in judged) else 0


def _print(judged: list[JudgedAnswer]) -> None:
    width = max(len(one.case) for one in judged)
    for one in judged:
        line = f"{one.verdict or 'error':<12}  {one.case:<{width}}  {one.reason}"
        print(line.encode("utf-8", "replace").decode("utf-8"))
    counts: Counter[str | None] = Counter(one.verdict for one in judged)
    print(", ".join(f"{counts[name]} {name}" for name in _COUNTED if counts[name]) + f" of {len(judged)}")
