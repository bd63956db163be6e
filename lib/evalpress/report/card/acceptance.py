"""The acceptance pack: figures that model-adaptation tracks require, each beside the value to compare it with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalpress.report.card.source import Source
from evalpress.report.card.words import number, share

LOGITS = {
    "max_abs_err": False,
    "mean_abs_err": False,
    "cosine_similarity": True,
    "top1_agreement": True,
    "top5_overlap": True,
    "match_within_1_percent": True,
}
"""Agreement of logits -> whether more is better."""
RELATIVE_LOSS = 0.05
"""Relative loss of accuracy against a published score that is accepted, as in vllm-ascend's accuracy test."""
_SHARES = ("top1_agreement", "top5_overlap", "match_within_1_percent")


def pack(source: Source) -> dict[str, Any]:
    """Agreement of the logits beside the noise floor and the gate, and accuracy beside its references."""
    return {"logits": list(_logits(source)), "accuracy": [*_published(source), *_other_run(source)]}


def table(source: Source) -> dict[str, Any]:
    """The pack as rows of text: one row per figure, one value per candidate."""
    found = pack(source)
    candidates = list(dict.fromkeys(row["candidate"] for row in found["logits"]))
    rows = []
    for key in LOGITS if candidates else ():
        of_key = [row for row in found["logits"] if row["metric"] == key]
        allowed = list(dict.fromkeys(str(row["threshold"]) for row in of_key if row["threshold"] is not None))
        floor = _shown(key, of_key[0]["noise_floor"])
        values = [_shown(key, row["value"]) for row in of_key]
        rows.append({"label": key, "values": values, "floor": floor, "threshold": ", ".join(allowed) or "n/a"})
    return {"candidates": candidates, "logits": rows, "accuracy": found["accuracy"]}


def points(difference: float) -> str:
    """A difference of two shares in percentage points."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def _shown(key: str, value: float | None) -> str:
    return share(value) if key in _SHARES else number(value, 6 if key == "cosine_similarity" else 3)


def _logits(source: Source) -> Iterator[dict[str, Any]]:
    alignment = source.data("alignment")
    if alignment is None:
        return
    gates = {gate["id"]: gate for gate in source.summary["gates"] if gate["section"] == "alignment"}
    for key, more in LOGITS.items():
        for name, run in alignment["candidates"].items():
            gate = gates.get(f"{name}.{key}")
            row = {"metric": key, "candidate": name, "more_is_better": more}
            row |= _known("value", run, key) | _known("noise_floor", alignment["noise_floor"], key)
            if gate is None:
                why = "no gate of this report judges the figure"
                row |= {"threshold": None, "threshold_why": why, "status": None, "status_why": why}
            else:
                row |= {"threshold": gate["allowed"], "status": gate["status"]}
            yield row


def _known(name: str, found: dict[str, Any], key: str) -> dict[str, Any]:
    """A figure under a name, null with its reason."""
    if found.get(key) is not None:
        return {name: found[key]}
    return {name: None, f"{name}_why": found.get(f"{key}_why", "not measured")}


def _published(source: Source) -> Iterator[dict[str, Any]]:
    """Published scores beside the measured ones."""
    tasks = (source.data("quality") or {}).get("standard_tasks")
    for row in tasks["rows"] if tasks else ():
        for one in row["published"]:
            yield _beside(row["task"], row["metric"], row["value"], one["score"], one["source"]) | {
                "threshold": f"relative loss ≤ {RELATIVE_LOSS:.0%}",
                "status": "pass" if row["value"] >= one["score"] * (1 - RELATIVE_LOSS) else "fail",
                "n": row["n"],
            }


def _other_run(source: Source) -> Iterator[dict[str, Any]]:
    """Accuracy of another run on the same items, which the set names as its reference, paired item by item."""
    found = (source.data("quality") or {}).get("comparison")
    if found is None:
        return
    for row in found["rows"]:
        if not row["n"] or row["conclusion"] is None:
            continue
        right = row["both"] + row["only_this"], row["both"] + row["only_other"]
        value, reference = (count / row["n"] for count in right)
        states = {"not inferior": "pass", "inferior": "fail", "undecided": "undecided_margin"}
        yield _beside(row["what"], "paired", value, reference, found["other"]["path"]) | {
            "threshold": f"loss ≤ {row['margin']:.0%}, by the 95 % interval",
            "status": states[row["conclusion"]],
            "n": row["n"],
        }


def _beside(task: str, metric: str, value: float, reference: float, where: str) -> dict[str, Any]:
    row = {"task": task, "metric": metric, "value": value, "reference": reference, "reference_source": where}
    row["absolute_difference"] = value - reference
    row["relative_difference"] = value / reference - 1 if reference else None
    return row if reference else row | {"relative_difference_why": "the reference is zero"}
