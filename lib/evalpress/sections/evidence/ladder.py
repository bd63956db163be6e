"""The determinism ladder: each rung changes one thing and counts how many outputs stay the same.

A rung that differs is a finding, one that cannot be measured is null with the reason; neither ends the section.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evalpress import engine
from evalpress.core.errors import MeasurementError
from evalpress.core.progress import step
from evalpress.params.schema import Params
from evalpress.sections.evidence.comparing import END, Answers, compare, margin
from evalpress.sections.evidence.rungs import Found, Rungs
from evalpress.sections.evidence.settings import holds_with


def climb(rungs: Rungs) -> tuple[list[dict[str, Any]], dict[str, Answers]]:
    """All rungs: their rows for the results file, and the raw tokens of each and of what it was compared with."""
    raw: dict[str, Answers] = {"first": rungs.first_tokens}
    rows: list[dict[str, Any]] = []
    differing: list[tuple[dict[str, Any], Found]] = []
    for name, changed, measure in rungs.all():
        step(f"determinism: {changed}")
        row, found = _row(name, changed, measure)
        rows.append(row)
        if found is None:
            continue
        raw[name] = {case: list(ids) for case, ids in found.answers.items()}
        raw.setdefault(found.against, found.baseline)
        if row["first_divergence"] is not None:
            differing.append((row["first_divergence"], found))
    # Last of all: where memory holds one engine only, the first one is loaded again for this.
    for where, found in differing:
        where |= _margin(rungs.job.params, where, found)
    return rows, raw


def _row(name: str, changed: str, measure: Callable[[], Found]) -> tuple[dict[str, Any], Found | None]:
    row: dict[str, Any] = {"rung": name, "changed": changed, "holds_with": holds_with(name)}
    try:
        found = measure()
    except MeasurementError as error:
        keys = ("identical", "of", "first_divergence")
        return row | dict.fromkeys(keys) | {f"{key}_why": str(error) for key in keys}, None
    return row | {"against": found.against} | compare(found.baseline, found.answers) | found.more, found


def _margin(params: Params, where: dict[str, Any], found: Found) -> dict[str, Any]:
    """How far apart the two tokens' logits are, by the engine that gave the first answers."""
    if END in (where["token"], where["other_token"]):
        return {"logit_margin": None, "logit_margin_why": "one output ended before the other"}
    loaded = engine.get(params, params.evidence.mode)
    begun = [*found.asked[where["case"]], *found.baseline[where["case"]][: where["position"]]]
    logits = loaded.logits(begun, [len(begun) - 1])[0]
    tokenizer = loaded.llm.get_tokenizer()
    texts = [tokenizer.decode([where[key]]) for key in ("token", "other_token")]
    pair = margin(logits, where["token"], where["other_token"], params.engine.dtype)
    return pair | {"texts": texts, "logits_of": f"vLLM, {loaded.mode}"}
