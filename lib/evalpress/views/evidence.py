"""The evidence section's tables."""

from __future__ import annotations

from typing import Any

from evalpress.results import Document
from evalpress.tables import Badge, Code, Column, Prose, Table, output


def cases(document: Document) -> Table:
    """Every prompt with its output, tokens, finish reason, latency and hash."""
    data = document["data"]
    rows: list[list[Any]] = [
        [
            case["id"],
            output(case["prompt"]),
            output(case["output"]),
            len(case["output_token_ids"]),
            case["finish_reason"],
            1e3 * case["ttft_s"],
            1e3 * case["latency_s"],
            Code(case["sha256"][:12]),
        ]
        for case in data["cases"]
    ]
    heads: list[Column | str] = [
        "case",
        Column("prompt", wide=True),
        Column("output", wide=True),
        "tokens",
        "finish",
        Column("TTFT", "ms"),
        Column("E2EL", "ms"),
        "sha256",
    ]
    note = (
        f"Temperature 0, at most {data['sampling']['max_tokens']} tokens, {data['mode']} engine, one request at a "
        "time. ↵ stands for a newline. The hash is the start of the output's SHA-256; the whole one and all token "
        "ids stand in results/evidence.json."
    )
    return Table("What the model answers", heads, rows, note=note)


def ladder(document: Document) -> Table:
    """Determinism, rung by rung."""
    rows = []
    for rung in document["data"]["determinism"]:
        whole = rung["identical"] == rung["of"]
        first = rung["first_divergence"]
        where = (
            f"{first['case']}, token {first['position'] + 1}: {first['token']} / {first['other_token']}"
            if first
            else "none"
        )
        rows.append(
            [
                rung["changed"],
                rung["identical"],
                rung["of"],
                Badge("ok" if whole else "warn", "identical" if whole else "differs"),
                where,
            ]
        )
    heads: list[Column | str] = ["what was changed", "identical", "of", "result", "first divergence (case, token, ids)"]
    return Table(
        "Is it deterministic?", heads, rows, note="Compared token by token with the first answers, each asked alone."
    )


def note(document: Document) -> Prose:
    """What a reader must know about a base model's outputs."""
    text = document["data"]["note"]
    return Prose(
        f"**Note.** {text}" if text else "This model is instruction-tuned; prompts went through its chat template."
    )
