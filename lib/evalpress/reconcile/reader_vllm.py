"""`vllm bench serve --save-result`: one JSON object; with --save-detailed it holds every request.

The keys are those of `benchmark` in vllm/benchmarks/serve.py, 0.6 to 0.32. Where `latencies` is missing, E2EL is TTFT
and the gaps added up, as the client itself computes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalpress.reconcile.access import count, lines, load, number, numbers
from evalpress.reconcile.observed import Printed, Request, Run, Totals, figure

TOOL = "vllm bench serve"
_STATISTICS = ("mean", "median", "std", *(f"p{share}" for share in (1, 5, 10, 25, 50, 75, 90, 95, 99)))


def reads(document: Any) -> bool:
    """Whether a JSON document is one of this tool's."""
    return isinstance(document, Mapping) and "duration" in document and "request_throughput" in document


def runs(path: Path) -> list[Run]:
    """The run of a file."""
    return [_run(path, load(path), "")]


def runs_of_lines(path: Path) -> list[Run]:
    """The runs of a file with one per line (--append-result)."""
    return [_run(path, body, f"line {number_}") for number_, body in enumerate(lines(path), 1)]


def _run(path: Path, body: Mapping[str, Any], name: str) -> Run:
    version = body.get("vllm_version")
    return Run(
        tool=TOOL,
        version=version if isinstance(version, str) else None,
        files=(path,),
        name=name,
        printed=tuple(_printed(body)),
        requests=tuple(_requests(body)),
        duration_s=number(body.get("duration")),
        totals=Totals(
            *(count(body.get(key)) for key in ("completed", "failed", "total_input_tokens", "total_output_tokens"))
        ),
        lacks="the file has no data of single requests (written without --save-detailed)",
    )


def _printed(body: Mapping[str, Any]) -> list[Printed]:
    found = figure("duration", "duration", body.get("duration"), "clock")
    for metric, top in (("request", "completed"), ("output", "output"), ("total_token", "total")):
        key = f"{metric}_throughput"
        found += figure(key, key, body.get(key), f"{top}/stated")
    for metric, statistic in itertools.product(("ttft", "tpot", "itl", "e2el"), _STATISTICS):
        key = f"{statistic}_{metric}"
        found += figure(f"{key}_ms", key, body.get(f"{key}_ms"), metric)
    return found


def _requests(body: Mapping[str, Any]) -> list[Request]:
    firsts, gaps = numbers(body.get("ttfts")), body.get("itls")
    outputs, inputs = numbers(body.get("output_lens")), numbers(body.get("input_lens"))
    if not firsts or not isinstance(gaps, list) or not len(firsts) == len(gaps) == len(outputs):
        return []
    errors = body.get("errors")
    told = errors if isinstance(errors, list) and len(errors) == len(firsts) else [""] * len(firsts)
    optional = [_as_long(numbers(body.get(key)), len(firsts)) for key in ("latencies", "start_times", "queue_times")]
    found = []
    for index, (first, output, error) in enumerate(zip(firsts, outputs, told, strict=True)):
        between = [gap for gap in numbers(gaps[index]) if gap is not None]
        latency, sent, waited = (column[index] for column in optional)
        whole = latency if latency is not None else (None if first is None else first + sum(between))
        found.append(
            Request(
                sent_s=sent,
                ttft_s=first,
                e2el_s=whole,
                output_tokens=count(output),
                input_tokens=count(inputs[index]) if index < len(inputs) else None,
                end_s=whole,
                gaps_s=tuple(between),
                waited_s=waited,
                failed=bool(error) or not output,
            )
        )
    return found


def _as_long(values: list[float | None], length: int) -> list[float | None]:
    return values if len(values) == length else [None] * length
