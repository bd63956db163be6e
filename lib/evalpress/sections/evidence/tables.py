"""The evidence section's tables."""

from __future__ import annotations

import json
from typing import Any

from evalpress.core.results import Document
from evalpress.display.tables import Badge, Cell, Code, Column, Details, Missing, Prose, Table, code, fmt, output, pick

_PLATFORMS = {"ascend": "on Ascend", "cuda": "on CUDA", "cpu": "on CPU"}
_RUNGS = {
    "same_engine_again": "the same engine, asked again",
    "batch_of_all": "all prompts in one batch",
    "shuffled_batch": "one batch in another order",
    "offline_against_server": "offline against server",
    "vllm_against_transformers": "vLLM against transformers",
    "compiled_against_eager": "compiled against eager",
    "prefix_cache": "prefix cache on and off",
    "new_engine": "a new engine",
}


def cases(document: Document) -> Table:
    """Every prompt with its output, tokens, finish reason, latency and hash."""
    data = document["data"]
    rows: list[list[Any]] = [
        [
            case["id"],
            output(case["prompt"]),
            output(case["output"]),
            "; ".join(case["remarks"]) or "–",
            case["finish_reason"],
            1e3 * case["ttft_s"],
            1e3 * case["latency_s"],
            _sent(case),
            Code(case["sha256"][:12]),
        ]
        for case in data["cases"]
    ]
    heads: list[Column | str] = [
        "case",
        Column("prompt", wide=True),
        Column("output", wide=True),
        "remark",
        "finish",
        Column("TTFT", "ms"),
        Column("E2EL", "ms"),
        "as sent, tokens",
        "SHA-256",
    ]
    note = (
        f"Temperature 0, at most {data['sampling']['max_tokens']} tokens, {data['mode']} engine, one request at a "
        "time. ↵ stands for a newline. Open a row's tokens for the prompt as it was sent, all token ids and the whole "
        "SHA-256 of the output's bytes."
    )
    return Table("What the model answers", heads, rows, note=note)


def _sent(case: dict[str, Any]) -> Details:
    """What went in and what came out, token by token."""
    inward, outward = case["prompt_token_ids"], case["output_token_ids"]
    text = f"prompt as sent: {json.dumps(case['rendered_prompt'], ensure_ascii=False)}\n"
    text += f"prompt tokens: {inward}\noutput tokens: {outward}\nSHA-256 of the output: {case['sha256']}"
    return Details(f"{len(inward)} in, {len(outward)} out", text)


def ladder(document: Document) -> Table:
    """Determinism, rung by rung."""
    rows = [_rung(rung) for rung in document["data"]["determinism"]]
    heads: list[Column | str] = [
        Column("what was changed", wide=True),
        "identical",
        "of",
        "result",
        Column("first divergence", wide=True),
        "logit margin",
    ]
    return Table(
        "Is it deterministic?",
        heads,
        rows,
        note="Compared token by token with the first answers, each asked alone; a new engine with the eager engine's, "
        "the prefix cache with the same prompts without it. Logit margin: how far apart the two tokens' raw logits "
        "are at that position; beside it the distance between neighbouring numbers of the engine's dtype there. A "
        "margin of that size is a tie which rounding decides.",
    )


def _rung(rung: dict[str, Any]) -> list[Cell]:
    changed: Cell = rung["changed"] + _proof(rung)
    if rung["identical"] is None:
        why = Missing(rung["identical_why"])
        return [changed, why, why, Badge("skipped", "not measured"), "–", "–"]
    same = rung["identical"] == rung["of"]
    badge = Badge("ok" if same else "warn", "identical" if same else "differs")
    where, margin = _divergence(rung["first_divergence"]) if rung["first_divergence"] else ("none", "–")
    return [changed, rung["identical"], rung["of"], badge, where, margin]


def _proof(rung: dict[str, Any]) -> str:
    """What shows that the rung was really climbed."""
    if "cached_tokens" in rung:
        return f" ({rung['cached_tokens']:,} of {rung['prompt_tokens']:,} prompt tokens came from the cache)"
    if "identical_bytes" in rung:
        return f" ({rung['identical_bytes']} of {rung['of']} outputs equal byte by byte)"
    if "reference" in rung:
        return " (every token of vLLM's answer is the most probable one in a forward pass over that answer)"
    return ""


def _divergence(found: dict[str, Any]) -> tuple[Cell, Cell]:
    pair = found.get("texts", ["", ""])
    tokens = [
        (f"{found[key]} ", Code(text)) if text else str(found[key])
        for key, text in zip(("token", "other_token"), pair, strict=True)
    ]
    where: Cell = (f"{found['case']}, token {found['position'] + 1}: ", tokens[0], " / ", tokens[1])
    margin = pick(found, "logit_margin")
    if isinstance(margin, Missing):
        return where, margin
    return where, f"{fmt(margin)} (spacing {fmt(found['dtype_spacing'])})"


def settings(document: Document) -> Table:
    """What makes each rung hold, by platform."""
    rows: list[list[Cell]] = [
        [_RUNGS[rung["rung"]], *[_listed(rung["holds_with"][name]) for name in _PLATFORMS]]
        for rung in document["data"]["determinism"]
    ]
    found = document["data"]["determinism_settings"]
    shown = ", ".join(f"{name}={value}" for name, value in found.items()) or "none of them"
    heads: list[Column | str] = ["rung", *[Column(name, wide=True) for name in _PLATFORMS.values()]]
    note = f"Set in this run: {shown}. What each variable does and where that is stated: the run book in Setup."
    return Table("What makes a rung hold", heads, rows, note=note)


def _listed(names: list[str]) -> Cell:
    parts: list[Cell] = []
    for name in names:
        parts += [", " if parts else "", Code(name) if "=" in name and " " not in name else name]
    return tuple(parts) or "–"


def note(document: Document) -> Prose:
    """Base or instruct model, how that is known, and what a reader must know about the outputs."""
    data = document["data"]
    if data["base_model"]:
        return Prose(f"**Note.** {data['note']} How that is known: {data['base_model_how']}.")
    digest = data["chat_template"]["sha256"]
    return Prose(
        f"**Note.** This is an instruct model ({data['base_model_how']}): every prompt went through its chat template, "
        f"SHA-256 {code(digest)}. The first prompt as it was sent: {code(data['cases'][0]['rendered_prompt'])}"
    )
