"""The quality section's tables."""

from __future__ import annotations

from typing import Any

from evalpress.results import Document
from evalpress.tables import Badge, Cell, Code, Column, Details, Prose, Table, code, escape_markdown, fmt, output


def categories(document: Document) -> Table:
    """Pass rate of each category with its Wilson interval and the sample size in words."""
    data = document["data"]
    records = [{"category": name} | row for name, row in data["by_category"].items()]
    records.append({"category": "all"} | data["overall"])
    columns: dict[str, Column | str] = {
        "category": "category",
        "n": "cases",
        "pass": "pass",
        "fail": "fail",
        "needs_review": "waiting",
        "pass_rate": Column("pass rate", "share"),
        "ci_low": Column("95 % from", "share"),
        "ci_high": Column("to", "share"),
        "in_words": Column("in words", wide=True),
    }
    note = "Pass rate among decided cases, with Wilson's interval. A case that waits for a person counts in neither."
    return Table.from_records("Pass rate by category", columns, records, note=note)


def cases(document: Document) -> Table:
    """Every case: prompt, output, rule, verdict and why."""
    rows: list[list[Cell]] = [
        [
            c["id"],
            c["category"],
            _asked(c),
            output(c["output"]),
            Badge(c["verdict"]),
            c["reason"],
            output(c["rule"]),
            c["decided_by"],
        ]
        for c in document["data"]["cases"]
    ]
    heads: list[Column | str] = [
        "case",
        "category",
        Column("prompt", wide=True),
        Column("output", wide=True),
        "verdict",
        Column("why", wide=True),
        Column("rule", wide=True),
        "decided by",
    ]
    data = document["data"]
    note = f"Answered by the {data['mode']} engine; ↵ stands for a newline."
    if data["chat_template"]:
        note += f" Prompts went through the chat template with SHA-256 {data['chat_template']['sha256'][:12]}…"
    return Table("Quality cases", heads, rows, note=note)


def _asked(case: dict[str, Any]) -> Cell:
    """The prompt, and where a chat template changed it, what was sent."""
    if case["rendered_prompt"] == case["prompt"]:
        return output(case["prompt"])
    return (output(case["prompt"]), Details(" as sent", case["rendered_prompt"]))


def pending(document: Document) -> Table | Prose:
    """The cases that wait for a person, with the hash that a verdict must name."""
    waiting = [c for c in document["data"]["cases"] if c["verdict"] == "needs_review"]
    if not waiting:
        return Prose("No case waits for a person.")
    rows: list[list[Cell]] = [[c["id"], output(c["output"]), c["reason"], Code(c["sha256"][:12])] for c in waiting]
    heads: list[Column | str] = [
        "case",
        Column("output", wide=True),
        Column("what to look at", wide=True),
        "output's SHA-256",
    ]
    note = "A verdict is recorded in params/reviews and is void as soon as the output changes."
    return Table("Waiting for a person", heads, rows, note=note)


def sandbox(document: Document) -> Prose:
    """What contained the code that the model wrote."""
    found = document["data"]["sandbox"]
    parts = [f"{escape_markdown(str(key).replace('_', ' '))}: {code(_shown(value))}" for key, value in found.items()]
    return Prose("**Sandbox for model-written code.** " + "; ".join(parts) + ".")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(v)}" for k, v in value.items())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return fmt(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
