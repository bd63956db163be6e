"""What must hold of the quality section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, gate, limit


def gates(params: Params, data: Any) -> Iterator[Gate]:
    """The gates of the quality section."""
    judged = [c for c in data["cases"] if c["verdict"] in ("pass", "fail")]
    rate = sum(c["verdict"] == "pass" for c in judged) / len(judged) if judged else None
    found = limit("quality", "pass_rate", rate, params.gates.quality_pass_rate_min, at_least=True)
    yield found.model_copy(update={"n": len(judged)})
    waiting = sum(c["verdict"] == "needs_review" for c in data["cases"])
    yield gate("quality", "reviews_pending", "warn" if waiting else "pass", waiting, "0 cases waiting for a person")
