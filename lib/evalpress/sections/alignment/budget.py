"""Fewer positions to compare where `run.budget_minutes` does not allow all of them, and what was left out."""

from __future__ import annotations

from evalpress.params.schema import AlignmentParams
from evalpress.sections.fewer import Words, count, told

MIN_LENGTH, MIN_POSITIONS, MIN_DECODE = 64, 4, 8


def scaled(asked: AlignmentParams, factor: float) -> tuple[AlignmentParams, Words]:
    """The comparison in about `factor` of its time; all of it from 1 on. Every text and every run stays.

    Reference logits from a file are of whole texts: these keep their length.
    """
    if factor >= 1:
        return asked, ()
    length = asked.max_position if asked.reference_logits else count(asked.max_position, factor, MIN_LENGTH)
    changes = {
        "max_position": length,
        "vllm_positions": count(asked.vllm_positions, factor, MIN_POSITIONS),
        "decode_tokens": count(asked.decode_tokens, factor, MIN_DECODE),
    }
    said = (
        told(asked.max_position, changes["max_position"], "tokens per text, where a text is that long")
        + told(asked.vllm_positions, changes["vllm_positions"], "positions per text and engine")
        + told(asked.decode_tokens, changes["decode_tokens"], "generated tokens per prompt")
    )
    return asked.model_copy(update=changes), said
