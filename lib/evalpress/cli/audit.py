"""The verb audit: the numbers of a published card, compared with what they must satisfy."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError

if TYPE_CHECKING:
    from evalpress import claims

_MARKS = {"broken": "broken", "note": "note  ", "ok": "ok    "}


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    audit = plain(verbs, "audit", _audit, "audit a published model card that was transcribed into a claims file")
    audit.add_argument("claims", nargs="?", type=Path, metavar="CLAIMS.yaml", help="the claims file")
    audit.add_argument("--template", action="store_true", help="print an empty claims file with every block explained")
    audit.add_argument("--all", action="store_true", help="print what holds, too")
    audit.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _audit(args: argparse.Namespace) -> int:
    """0 where nothing is broken, 1 where something is."""
    from evalpress import claims

    if args.template:
        sys.stdout.write((files("evalpress") / "claims" / "template.yaml").read_text(encoding="utf-8"))
        return 0
    if args.claims is None:
        raise UserError("audit: name a claims file, or print an empty one with --template")
    found = claims.audit(args.claims)
    if args.json:
        print(json.dumps([finding.as_dict() for finding in found], ensure_ascii=False, indent=1))
    else:
        _say(found, everything=args.all)
    return 1 if any(finding.status == "broken" for finding in found) else 0


def _say(found: list[claims.Finding], *, everything: bool) -> None:
    for finding in found:
        if finding.status != "ok" or everything:
            print(f"{_MARKS[finding.status]}  {finding.id}\n        {finding.statement}")
            print(f"        found:    {finding.found}\n        expected: {finding.expected}")
            if finding.why:
                print(f"        {finding.why}")
    counts = {status: sum(f.status == status for f in found) for status in _MARKS}
    hidden = "" if everything or not counts["ok"] else " (--all prints them)"
    print(f"{counts['broken']} broken, {counts['note']} notes, {counts['ok']} hold{hidden}")
