"""Less of the determinism checks where `run.budget_minutes` does not allow all of them, and what was left out."""

from __future__ import annotations

from evalpress.params.schema import EvidenceParams
from evalpress.sections.fewer import Words, count, told

MIN_REPEATS, MIN_TOKENS = 2, 200


def scaled(asked: EvidenceParams, factor: float) -> tuple[EvidenceParams, Words]:
    """The checks in about `factor` of their time; all of them from 1 on. Every check and every prompt stays."""
    if factor >= 1:
        return asked, ()
    tokens, repeats = count(asked.check_tokens, factor, MIN_TOKENS), count(asked.repeats, factor, MIN_REPEATS)
    said = told(asked.check_tokens, tokens, "output tokens per determinism check")
    said += told(asked.repeats, repeats, "repeats of the checks that are repeated")
    return asked.model_copy(update={"check_tokens": tokens, "repeats": repeats}), said
