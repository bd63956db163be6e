"""The summary: verdict, headline, gates and the state of every section, read from results files alone."""

from __future__ import annotations

import json
from typing import Any

from evalpress.core import results
from evalpress.core.errors import UserError
from evalpress.sections.gate import Gate, gate
from evalpress.sections.job import Job
from evalpress.sections.registry import SECTIONS, skip_reason
from evalpress.sections.summary import gates

Summary = dict[str, Any]


def build(job: Job) -> Summary:
    """Judge what the report's results folder holds and write `summary.json`."""
    sections = _sections(job)
    data = {name: _data(job, name) for name, state in sections.items() if state["status"] == "done"}
    found = gates.evaluate(job.params, data)
    found += [
        gate(name, "section_done", "fail", state["why"], "the section finished")
        for name, state in sections.items()
        if state["status"] == "failed"
    ]
    summary: Summary = {
        "schema": f"evalpress/summary/{results.VERSION}",
        "created": results.now(),
        "set": job.params.set,
        "title": job.params.title,
        "description": job.params.description,
        "model": job.params.model.shown,
        "platform": job.params.platform.backend,
        "device": _device(job, data),
        "verdict": verdict(found),
        "gates": [one.model_dump(mode="json") for one in found],
        "headline": headline(data, found),
        "sections": sections,
        "command": f"make report SET={job.params.set} BACKEND={job.params.platform.backend}",
    }
    results.check_values(summary, "summary")
    results.write_json(job.folder / "summary.json", summary)
    return summary


def verdict(found: list[Gate]) -> str:
    """fail when any gate fails, warn when any warns, else pass."""
    statuses = {one.status for one in found}
    return next((status for status in ("fail", "warn") if status in statuses), "pass")


def _sections(job: Job) -> dict[str, dict[str, str]]:
    """State of each section: as the run recorded it, else by whether its results are there."""
    path = job.folder / "results" / "status.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))["sections"] if path.is_file() else {}
    states: dict[str, dict[str, str]] = {}
    for section in SECTIONS:
        skipped = skip_reason(section, job.params)
        there = (job.folder / "results" / f"{section.name}.json").is_file()
        state = dict(recorded.get(section.name, {}))
        if skipped:
            state = {"status": "skipped", "why": skipped}
        elif state.get("status") != "failed":
            state = {"status": "done"} if there else {"status": "failed", "why": "there are no results of this section"}
        states[section.name] = state
    return states


def _data(job: Job, section: str) -> dict[str, Any]:
    document = job.result(section)
    if document is None:
        raise UserError(f"results/{section}.json: file not found")
    data: dict[str, Any] = document["data"]
    return data


def _device(job: Job, data: gates.Data) -> Any:
    document = job.result("setup") if "setup" in data else None
    return document["provenance"]["device"] if document else "unknown: the setup section has no results"


def headline(data: gates.Data, found: list[Gate]) -> dict[str, Any]:
    """The card's first benchmark table: four rows, eager, compiled and the change, with its interval.

    Speed counts only with correctness: `valid` is false when a gate of evidence, alignment or quality fails.
    """
    wrong = [g for g in found if g.status == "fail" and g.section in ("evidence", "alignment", "quality")]
    out: dict[str, Any] = {"valid": not wrong, "rows": []}
    if wrong:
        out["valid_why"] = "speed counts only with correctness; failed: " + ", ".join(
            f"{g.section}.{g.id}" for g in wrong
        )
    bench = data.get("benchmark")
    if bench is None:
        return out | {"rows_why": "the benchmark section has no results"}
    loads = bench["workloads"]
    batch = next((n for n, w in loads.items() if w["kind"] == "throughput"), None)
    single = next((n for n, w in loads.items() if w["alone"]), None)
    rows = [
        ("output throughput", batch, "output_throughput", "tok/s"),
        ("request throughput", batch, "request_throughput", "req/s"),
        ("TTFT, mean, one request at a time", single, "mean_ttft_ms", "ms"),
    ]
    out["rows"] = [_row(bench, label, name, metric, unit) for label, name, metric, unit in rows if name is not None]
    totals = {mode: bench["modes"][mode]["startup"]["total_s"] for mode in bench["modes"]}
    out["rows"].append(
        {
            "label": "start-up, import to ready",
            "unit": "s",
            "workload": "start-up",
            **_either(totals),
            "ratio": None,
        }
        | dict.fromkeys(("ci_low", "ci_high"))
        | {f"{key}_why": "start-up is measured once per mode" for key in ("ratio", "ci_low", "ci_high")}
    )
    return out


def _either(values: dict[str, float]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for mode in ("eager", "compiled"):
        out[mode] = values.get(mode)
        if mode not in values:
            out[f"{mode}_why"] = "this mode was not measured (engine.modes)"
    return out


def _row(bench: dict[str, Any], label: str, workload: str, metric: str, unit: str) -> dict[str, Any]:
    row = {"label": label, "unit": unit, "workload": workload, "metric": metric}
    compared = bench["comparison"].get(workload, {}).get(metric)
    if compared:
        return row | compared
    values = {mode: m["workloads"][workload][metric] for mode, m in bench["modes"].items()}
    why = bench.get("comparison_why", "not compared")
    nulls = dict.fromkeys(("ratio", "ci_low", "ci_high"))
    return row | _either(values) | nulls | {f"{key}_why": why for key in nulls}
