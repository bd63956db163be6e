"""The verb doctor: what this host has and lacks, one line each with the remedy."""

from __future__ import annotations

import argparse
import json

from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = plain(verbs, "doctor", _doctor, "what this host has and lacks for a report, with the remedy")
    verb.add_argument("--backend", metavar="B", help="cpu, cuda or ascend (default: what this host has)")
    verb.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _doctor(args: argparse.Namespace) -> int:
    """0, or 1 where something that a report needs is missing."""
    from evalpress import platforms
    from evalpress.cli import host_checks

    backend = next((name for name in platforms.BACKENDS if name == args.backend), None)
    if args.backend is not None and backend is None:
        raise UserError(f"doctor: --backend: found {args.backend!r}, allowed {', '.join(platforms.BACKENDS)}")
    found = list(host_checks.run(backend or platforms.detect().backend))
    if args.json:
        print(json.dumps([check.model_dump(mode="json") for check in found], ensure_ascii=False, indent=1))
    else:
        for check in found:
            remedy = f"  -> {check.remedy}" if check.remedy else ""
            print(f"{_MARKS[check.status]}  {check.check:<24} {check.found}{remedy}")
    return 1 if any(check.status == "fail" for check in found) else 0
