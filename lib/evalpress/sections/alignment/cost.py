"""What the reference's forward passes cost, beside what this machine's matrix products can do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from evalpress.core.results import nulls
from evalpress.model import ArchitectureFacts
from evalpress.model.forward import Pass
from evalpress.platforms import rates
from evalpress.sections.alignment.results import Cost

MATRIX_SIZE = 1536
_RATES = ("gflop", "gflop_s", "matmul_gflop_s", "share_of_matrix_rate")


class _Passes(TypedDict):
    forward_s: float
    tokens: int
    padded_tokens: int
    batches: int


def flops(facts: ArchitectureFacts, length: int) -> int | None:
    """Floating-point operations of one text whose logits are computed at every position; padding not counted."""
    one = facts.prefill_flops(length)
    return None if one is None else one + 2 * (facts.embedding_parameters or 0) * (length - 1)


def of_passes(run: Pass, facts: ArchitectureFacts | str, lengths: Iterable[int]) -> Cost:
    """Time and tokens of the passes so far, and their rate as a share of the best of several matrix products.

    Args:
        run: the loaded model, after its passes; the products run on its device in its dtype.
        facts: the model's arithmetic, or why it is not known.
        lengths: tokens of each text that was passed.

    Returns:
        The operations and rates are null with a reason where `facts` are not known.
    """
    spent = _Passes(forward_s=run.seconds, tokens=run.tokens, padded_tokens=run.padded_tokens, batches=run.batches)
    if isinstance(facts, str) or facts.flops_unknown:
        why = facts if isinstance(facts, str) else facts.flops_unknown
        return Cost(**spent, **nulls(_RATES, str(why)))
    done = sum(flops(facts, length) or 0 for length in lengths) / 1e9
    best = max(rates.matrix_products(run.device, run.described["dtype"], MATRIX_SIZE)) / 1e9
    rate = done / run.seconds
    return Cost(
        **spent,
        gflop=done,
        gflop_s=rate,
        matmul_gflop_s=best,
        share_of_matrix_rate=rate / best,
    )


def not_computed(why: str) -> Cost:
    """What `of_passes` gives, where no pass was run here."""
    return Cost(**nulls(("forward_s", "tokens", "padded_tokens", "batches", *_RATES), why))
