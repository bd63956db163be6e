"""The summary's banner, key figures and tables."""

from __future__ import annotations

from typing import Any

from evalpress.display.completion import own_functions
from evalpress.display.tables import (
    Badge,
    Cell,
    Column,
    Fold,
    Link,
    Missing,
    Prose,
    Quantity,
    Table,
    Tile,
    Tiles,
    Verdict,
    escape_markdown,
    snippet,
)
from evalpress.display.wording import listed
from evalpress.params.engine import COMPILED, EAGER
from evalpress.sections.benchmark.tables import change
from evalpress.sections.gate import Gate
from evalpress.sections.registry import by_name
from evalpress.sections.summary.results import HeadlineRow, Summary

__dir__ = own_functions(__name__)

_WORDS = {
    "pass": "Every section ran and every gate holds.",
    "warn": "No gate fails; the gates marked warn do not hold and need attention.",
    "fail": "At least one gate does not hold: read its section before relying on any figure.",
}

_ORDER = ("fail", "warn", "pass")
"""The order of the gates: those that do not hold come first."""
_PLACES = {
    "setup": {"version": "setup-table-versions"},
    "benchmark": {"identities": "benchmark-table-invariants", "": "benchmark-table-speed"},
    "serving": {"identities": "serving-table-invariants", "": "serving-table-levels"},
    "evidence": {"abnormal": "evidence-table-abnormal", "": "evidence-table-checks"},
    "alignment": {
        "decode": "alignment-table-decode",
        "layers": "alignment-table-layers",
        "flips": "alignment-table-flips",
        "": "alignment-table-overall",
    },
    "quality": {"reviews": "quality-table-pending", "cut": "quality-table-cases", "": "quality-table-categories"},
}
"""Section -> a part of a gate's id -> the anchor of its table; "" for the section's other gates."""


def verdict(summary: Summary) -> Verdict:
    """The report's verdict with what led to it."""
    counted = [g for g in summary.gates if g.status in ("fail", "warn")]
    reasons: list[Cell] = [
        (Badge(g.status), " ", Link(_title(g.section), _place(g)), f": {_gate(g.id)}: {_found(g)}") for g in counted
    ]
    reasons += [
        (Badge("skipped"), f" {_title(name)} is left out: {state.why}")
        for name, state in summary.sections.items()
        if state.status == "skipped"
    ]
    headline = f"{summary.model}, {_device(summary.device)}. {_WORDS[summary.verdict]}"
    return Verdict(summary.verdict, headline, reasons)


def conclusion(summary: Summary) -> Prose:
    """What the report found, each sentence linked to its section."""
    told = [f"{escape_markdown(one.text)} ([{_title(one.section)}](#{one.section}))" for one in summary.conclusion]
    return Prose(" ".join(told))


_LEFT_OUT = "[what was left out](#summary-sections)"


def about(summary: Summary) -> Prose:
    """The description of the set: which model this is and what the report is for, and whether it was shortened."""
    said = summary.description.strip()
    told = f"**About this report.** {escape_markdown(said)}" if said else ""
    if summary.shortened and any(summary.shortened.left_out.values()):
        minutes = f"{summary.shortened.minutes:g}"
        short = f"Less than the set asks for was measured, to keep to {minutes} minutes"
        told += f"\n\n{short}: {_LEFT_OUT}."
    return Prose(told.strip())


def tiles(summary: Summary) -> Tiles:
    """The key figures of the report."""
    found = summary.headline
    shown = []
    for row in found.rows:
        value, mode = (row.compiled, row.mode) if row.compiled is not None else (row.eager, EAGER)
        figure: Cell = Missing(row.eager_why or "not measured") if value is None else Quantity(value, row.unit)
        detail = mode + _beside_eager(row)
        shown.append(Tile(row.label, figure, detail if found.valid else "not valid: see the gates"))
    shown += [Tile(one.label, Quantity(one.value, one.unit), one.detail) for one in summary.key_figures]
    return Tiles(shown)


def _beside_eager(row: HeadlineRow) -> str:
    """The change that a key figure names: only one that the run shows."""
    if row.ratio is None:
        return ""
    if row.ci_low is None or row.ci_high is None:
        return f", {change(row.ratio, None, None)} against eager (no interval)"
    if row.ci_low <= 1 <= row.ci_high:
        return ", no difference from eager shown"
    return f", {change(row.ratio, None, None)} against eager"


def headline(summary: Summary) -> Table:
    """Eager against each compiling mode in few rows, in the form in which model cards print it."""
    found = summary.headline
    alone = all(row.mode == COMPILED for row in found.rows)
    rows: list[list[Cell]] = [
        [row.label, *([] if alone else [row.mode]), _change(row), *_values(row), row.workload] for row in found.rows
    ]
    heads: list[Column | str] = ["metric", "change", "eager", "compiled", "workload"]
    if not alone:
        heads = ["metric", "mode", "change", "eager", "this mode", "workload"]
    note = "Change: geometric mean of paired ratios with its 95 % interval. Workloads are described in the benchmark."
    return Table("Headline", heads, rows, note=note, warning=found.valid_why or "")


def gates(summary: Summary) -> Table:
    """Every gate with its status, what was found and what is allowed."""
    rows: list[list[Cell]] = [
        [
            Badge("skipped", "off") if g.status == "off" else Badge(g.status),
            _gate(g.id),
            _found(g),
            g.allowed,
            Link(_title(g.section), _place(g)),
        ]
        for g in sorted(summary.gates, key=lambda g: _ORDER.index(g.status) if g.status in _ORDER else len(_ORDER))
    ]
    open_ = sum(g.status in ("fail", "warn") for g in summary.gates)
    held = len(rows) - open_
    return Table(
        "Values found and allowed",
        ["status", "gate", Column("found", align="left", wide=True), Column("allowed", wide=True), "section"],
        rows,
        named_by=1,
        fold=Fold(open_, f"Gates that hold or are off: {held}") if held else None,
    )


def claims(summary: Summary) -> Table | Prose:
    """Published figures of which this report measured the same quantity."""
    if not summary.claims:
        return Prose("")
    words = {"consistent": "consistent", "inconsistent": "inconsistent", "not_comparable": "not comparable"}
    rows = [[one.quantity, one.claimed, one.measured, words[one.status], one.why] for one in summary.claims]
    heads: list[Column | str] = ["quantity", "published", "measured here", "", Column("why", wide=True)]
    note = "Consistent: the interval that the published digits allow and the measured interval overlap."
    return Table("Published figures beside measured ones", heads, rows, note=note)


def sections(summary: Summary) -> Table | Prose:
    """The sections that were skipped, failed or are not shown in full, and why."""
    rows: list[list[Cell]] = [
        [Link(_title(name), name), Badge(state.status), state.why or state.not_shown or ""]
        for name, state in summary.sections.items()
        if state.status != "done" or state.not_shown
    ]
    if not rows:
        return Prose(f"All {len(summary.sections)} sections were measured and are shown in full.")
    done = len(summary.sections) - len(rows)
    others = "other section was" if done == 1 else f"other {done} sections were"
    note = f"The {others} measured and shown in full." if done else ""
    return Table("Not measured, or not shown in full", ["section", "state", Column("why", wide=True)], rows, note=note)


def left_out(summary: Summary) -> Table | Prose:
    """What each section did not measure to keep to `run.budget_minutes`, where the set has a budget."""
    found = summary.shortened
    if found is None:
        return Prose("")
    rows: list[list[Cell]] = [
        [Link(_title(name), name), "; ".join(words) or found.why.get(name, "nothing")]
        for name, words in found.left_out.items()
    ]
    note = (
        f"run.budget_minutes is {found.minutes:g}. What a section leaves out follows from its estimated time and from "
        "what the sections before it took; without this parameter, nothing is left out."
    )
    heads: list[Column | str] = ["section", Column("left out", wide=True)]
    return Table("Left out for the time budget", heads, rows, note=note)


def reproduce(summary: Summary) -> Prose:
    """The command that makes this report again, and what it leaves out as this report did."""
    skipped = [_title(name) for name, state in summary.sections.items() if state.status == "skipped"]
    command = snippet(summary.command, "bash").source
    if not skipped or "--param" not in summary.command or "skip" not in summary.command:
        return Prose(command)
    left_out = f"Left out by the parameter `skip`, as in this report: {listed(skipped)}. Without it, they are measured."
    return Prose(f"{command}\n\n{left_out}")


def _title(name: str) -> str:
    return by_name(name).title


def _place(gate: Gate) -> str:
    """The anchor of the table that shows what a gate judges."""
    known = _PLACES.get(gate.section, {})
    return next((place for start, place in known.items() if start in gate.id), gate.section)


def _gate(name: str) -> str:
    """A gate's id in words; `identities` is the key of what the page calls invariants."""
    return name.replace("identities", "invariants").replace("_", " ").replace(".", ": ")


def _found(gate: Gate) -> str:
    if gate.found is None:
        return gate.found_why or "not measured"
    shown = f"{gate.found:.6g}" if isinstance(gate.found, float) else str(gate.found)
    return f"{shown} (n = {gate.n})" if gate.n is not None else shown


def _device(device: Any) -> str:
    if not isinstance(device, dict):
        return str(device)
    count = device.get("count") or 1
    return f"{count} × {device.get('name')}" if count > 1 else str(device.get("name"))


def _values(row: HeadlineRow) -> list[Cell]:
    """The figure in eager and in the row's mode."""
    return [
        Missing(why or "not measured") if value is None else Quantity(value, row.unit)
        for value, why in ((row.eager, row.eager_why), (row.compiled, row.compiled_why))
    ]


def _change(row: HeadlineRow) -> Cell:
    return Missing(row.ratio_why or "not compared") if row.ratio is None else change(row.ratio, row.ci_low, row.ci_high)
