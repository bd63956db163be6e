"""The quality section's tables."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.display.tables import (
    Badge,
    Cell,
    Code,
    Column,
    Details,
    Prose,
    Table,
    code,
    escape_markdown,
    fmt,
    moment,
    output,
    pick,
)


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
    note: Cell = (
        "Decide one with ",
        Code("python -m evalpress review --case ID --verdict pass|fail --reviewer NAME"),
        " (other sets: --set) or in this notebook with ",
        Code("quality.decide(job, case, verdict, reviewer, comment)"),
        ". It is kept in params/reviews with the hash of this output and is void as soon as the output changes.",
    )
    return Table("Cases to decide", heads, rows, note=note)


def standard_tasks(document: Document) -> Table | Prose:
    """Scores of lm-evaluation-harness with standard errors, this suite's own count, and published scores."""
    data = document["data"]
    found = data["standard_tasks"]
    if found is None:
        return Prose(f"Not measured: {escape_markdown(data['standard_tasks_why'])}.")
    rows: list[list[Cell]] = [
        [
            row["task"],
            row["metric"],
            pick(row, "n"),
            pick(row, "n_shot"),
            pick(row, "value"),
            pick(row, "stderr"),
            _ours(row),
            _published(row["published"]),
        ]
        for row in found["rows"]
    ]
    heads: list[Column | str] = [
        "task",
        "metric",
        "items",
        "shots",
        Column("score", "share"),
        Column("standard error", "share"),
        "computed again here",
        Column("published elsewhere (claims)", wide=True),
    ]
    note = (
        f"{found['harness']} through its vLLM model, on an engine of this set ({found['mode']}). Computed again here: "
        "the share of the same items in which this suite finds the right choice the most probable. The harness's whole "
        f"result, every item included: results/{found['raw']}."
    )
    return Table("Scores", heads, rows, note=note)


def _ours(row: dict[str, Any]) -> Cell:
    if row["ours"] is None:
        return pick(row, "ours")
    part = row["ours_n"] < row["n"]
    equal = part or abs(row["ours"] - row["value"]) < 1e-9
    return Badge("ok" if equal else "fail", fmt(row["ours"], "share") + (f" of {row['ours_n']} items" if part else ""))


def _published(scores: list[dict[str, Any]]) -> Cell:
    parts = [f"{fmt(one['score'], 'share')} ({one['n_shot']}-shot; {one['source']})" for one in scores]
    return "; ".join(parts) or "–"


def comparison(document: Document) -> Table | Prose:
    """This run against another report's, paired case by case."""
    data = document["data"]
    found = data["comparison"]
    if found is None:
        return Prose(f"Not compared: {escape_markdown(data['comparison_why'])}.")
    columns: dict[str, Column | str] = {
        "what": "what",
        "n": "pairs",
        "both": "both right",
        "only_this": "only this run",
        "only_other": "only the other",
        "neither": "neither",
        "p_value": "p (McNemar, exact)",
        "left_out": "left out",
    }
    other = found["other"]
    note = (
        f"The other run: {other['path']}, model {other['model']}, {moment(other['created'])}. Only cases that both "
        "runs decided, with the same prompt and rule, are paired. p: how probable so uneven a split of the "
        "disagreements would be if both runs were equally good."
    )
    return Table.from_records("Paired with another run", columns, found["rows"], note=note)


def sandbox(document: Document) -> Prose:
    """What contained the code that the model wrote."""
    found = document["data"]["sandbox"]
    kind = code(found["kind"]) if found["kind"] else escape_markdown(found["kind_why"])
    return Prose(f"**Sandbox for model-written code**: {kind}.")
