"""The summary's banner, key figures and tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from evalpress.display.tables import (
    Badge,
    Cell,
    Code,
    Column,
    Missing,
    Prose,
    Quantity,
    Table,
    Tile,
    Tiles,
    Verdict,
    escape_markdown,
    moment,
    pick,
    snippet,
)
from evalpress.sections.benchmark.tables import change
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.summary.section import Summary

_WORDS = {
    "pass": "Every section ran and every gate holds.",
    "warn": "No gate fails; those marked warn do not hold and need a reader's attention.",
    "fail": "At least one gate does not hold: read its section before relying on any figure.",
}


def verdict(summary: Summary) -> Verdict:
    """The report's verdict with what led to it."""
    counted = [g for g in summary["gates"] if g["status"] in ("fail", "warn")]
    reasons: list[Cell] = [
        (Badge(g["status"]), f" {_title(g['section'])}: {_gate(g['id'])}: {_found(g)}") for g in counted
    ]
    reasons += [
        (Badge("skipped"), f" {_title(name)} was not run: {state['why']}")
        for name, state in summary["sections"].items()
        if state["status"] == "skipped"
    ]
    headline = f"{summary['model']} on {_device(summary['device'])}. {_WORDS[summary['verdict']]}"
    return Verdict(summary["verdict"], headline, reasons)


def about(summary: Summary) -> Prose:
    """What the set says of itself: which model this is and what the report is for."""
    said = summary["description"].strip()
    return Prose(f"**About this report.** {escape_markdown(said)}" if said else "")


def tiles(summary: Summary) -> Tiles:
    """The figures that a reader looks for first."""
    rows = summary["headline"]["rows"]
    valid = summary["headline"]["valid"]
    shown = []
    for row in rows:
        mode = "compiled" if row["compiled"] is not None else "eager"
        figure = Quantity(row[mode], row["unit"]) if row[mode] is not None else pick(row, mode)
        detail = mode if row["ratio"] is None else f"{mode}, {_percent(row)} against eager"
        shown.append(Tile(row["label"], figure, detail if valid else "not valid: see the gates"))
    return Tiles(shown)


def headline(summary: Summary) -> Table:
    """Eager against compiled in four rows, in the form in which model cards print it."""
    found = summary["headline"]
    rows: list[list[Cell]] = [
        [row["label"], _cell(row, "eager"), _cell(row, "compiled"), _change(row), row["workload"]]
        for row in found["rows"]
    ]
    heads: list[Column | str] = ["metric", "eager", "compiled", "change", "workload"]
    note = "Change: geometric mean of paired ratios with its 95 % interval. Workloads are described in the benchmark."
    return Table("Headline", heads, rows, note=note, warning=found.get("valid_why", ""))


def gates(summary: Summary) -> Table:
    """Every gate with its status, what was found and what is allowed."""
    rows = [
        [
            _title(g["section"]),
            _gate(g["id"]),
            Badge("skipped", "off") if g["status"] == "off" else Badge(g["status"]),
            _found(g),
            g["allowed"],
        ]
        for g in summary["gates"]
    ]
    return Table(
        "Found, and allowed",
        ["section", "gate", "status", Column("found", align="left", wide=True), Column("allowed", wide=True)],
        rows,
    )


def sections(summary: Summary) -> Table:
    """What ran, what was skipped, what failed, and why."""
    rows = [[_title(name), Badge(state["status"]), state.get("why", "")] for name, state in summary["sections"].items()]
    return Table("State of each section", ["section", "state", Column("why", wide=True)], rows)


def provenance(job: Job) -> Table:
    """When and from which state each section was measured."""
    rows: list[list[Cell]] = []
    for name in (s for s in ("setup", "benchmark", "serving", "evidence", "alignment", "quality")):
        document = job.result(name)
        if document is None:
            continue
        p = document["provenance"]
        commit = p["git"]["commit"]
        state = (
            Missing(p["git"]["commit_why"])
            if commit is None
            else f"{commit[:10]}{' + changes' if p['git']['dirty'] else ''}"
        )
        digests = " ".join(f"{key} {value[:8]}" for key, value in p["digests"].items())
        took = (datetime.fromisoformat(p["end"]) - datetime.fromisoformat(p["start"])).total_seconds()
        rows.append([_title(name), moment(p["start"]), moment(p["end"]), int(took), state, Code(digests)])
    heads: list[Column | str] = [
        "section",
        "start (UTC)",
        "end (UTC)",
        Column("took", "s"),
        "commit of the suite",
        Column("digests", wide=True),
    ]
    note = "Digests (SHA-256, shortened): parameters and the files they name, notebook code, library code, model files."
    return Table("Provenance", heads, rows, note=note)


def reproduce(summary: Summary) -> Prose:
    """The command that makes this report again."""
    return snippet(summary["command"], "bash")


def _title(name: str) -> str:
    return by_name(name).title


def _gate(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _found(gate: dict[str, Any]) -> Any:
    found = gate["found"]
    if found is None:
        return gate.get("found_why", "not measured")
    shown = f"{found:.6g}" if isinstance(found, float) else str(found)
    return f"{shown} (n = {gate['n']})" if "n" in gate else shown


def _device(device: Any) -> str:
    if not isinstance(device, dict):
        return str(device)
    count = device.get("count") or 1
    return f"{count} × {device.get('name')}" if count > 1 else str(device.get("name"))


def _cell(row: dict[str, Any], key: str) -> Any:
    value = pick(row, key)
    return value if isinstance(value, Missing) else Quantity(value, row["unit"])


def _change(row: dict[str, Any]) -> Any:
    return Missing(row["ratio_why"]) if row["ratio"] is None else change(row["ratio"], row["ci_low"], row["ci_high"])


def _percent(row: dict[str, Any]) -> str:
    return change(row["ratio"], None, None)
