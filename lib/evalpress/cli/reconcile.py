"""The verb reconcile: result files of other benchmark clients under the definitions of `vllm bench serve`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from evalpress.cli.verb import Verbs, plain

if TYPE_CHECKING:
    from evalpress.reconcile import File, Reconciliation, Row

_HELP = (
    "result files of vllm bench serve, GuideLLM, AIPerf, EvalScope and AISBench: every figure recomputed under vLLM's "
    "definition, with what cannot be recomputed and why"
)
_VERDICTS = {
    "same": "vLLM's definition",
    "documented": "another definition, as documented",
    "changed": "CHANGED DEFINITION",
    "unexplained": "UNEXPLAINED",
    "not_recomputed": "not recomputed",
}
_MAIN = (
    *("duration", "request_throughput", "output_throughput", "total_token_throughput"),
    *("mean_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "mean_itl_ms", "mean_e2el_ms", "p99_e2el_ms"),
)


def add(verbs: Verbs) -> None:
    """Declare the verb."""
    verb = plain(verbs, "reconcile", _reconcile, _HELP)
    verb.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a result file, or the folder that holds it")
    verb.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _reconcile(args: argparse.Namespace) -> int:
    """0; 1 where a figure follows from neither vLLM's nor its tool's documented definition."""
    from evalpress.reconcile import reconcile

    found = reconcile(args.files)
    if args.json:
        print(json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1))
    else:
        _say(found)
    return 1 if found.wrong else 0


def _say(found: Reconciliation) -> None:
    for file in found.files:
        _say_file(file)
    if len(found.files) > 1:
        _say_crosswalk(found)
    for file, row in found.wrong:
        print(f"{_title(file)}: {_named(row)}")


def _title(file: File) -> str:
    version = f" {file.version}" if file.version else ""
    return f"{file.tool}{version}{f' ({file.run})' if file.run else ''}"


def _say_file(file: File) -> None:
    source = {"requests": f"{file.requests} requests", "means": "the means of all requests", "totals": "totals only"}
    print(f"{_title(file)}: {', '.join(file.files)}; recomputed from {source[file.recomputed_from]}")
    width = max((len(row.name) for row in file.rows), default=0)
    for row in file.rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        figures = f"{_number(row.theirs):>10} {_number(row.vllm):>10} {ratio:>7}"
        why = row.definition if row.definition is not None else row.definition_why
        told = _VERDICTS[row.verdict] if row.verdict == "same" else f"{_VERDICTS[row.verdict]}: {why}"
        print(f"  {row.metric:<24} {row.name:<{width}} {figures}  {told}")
    for absent in file.not_recomputed:
        print(f"  {absent.metric:<24} not recomputed: {absent.why}")
    for note in file.notes:
        print(f"  note: {note}")
    print()


def _say_crosswalk(found: Reconciliation) -> None:
    """All runs under one definition."""
    names = [_title(file) for file in found.files]
    width = max(12, *(len(name) for name in names))
    print("under vLLM's definitions")
    print(f"  {'':<24} " + "  ".join(f"{name:>{width}}" for name in names))
    for key in _MAIN:
        if any(key in file.vllm for file in found.files):
            print(f"  {key:<24} " + "  ".join(f"{_number(file.vllm.get(key)):>{width}}" for file in found.files))
    print()


def _named(row: Row) -> str:
    where = f"{row.name} (vLLM: {row.metric}) is {_number(row.theirs)}"
    beside = "" if row.vllm is None else f", under vLLM's definition {_number(row.vllm)}"
    if row.verdict == "changed":
        return f"{where}, computed as: {row.definition}{beside}"
    return f"{where}, and {row.definition_why}{beside}"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
