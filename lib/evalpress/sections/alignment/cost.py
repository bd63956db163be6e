"""What the reference's forward passes cost, beside what this machine's matrix products can do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalpress.core.errors import UserError
from evalpress.model import ArchitectureFacts
from evalpress.model.forward import Pass
from evalpress.platforms import rates

MATRIX_SIZE = 1536
_FIELDS = ("gflop", "gflop_s", "matmul_gflop_s", "share_of_matrix_rate")


def flops(facts: ArchitectureFacts, length: int) -> int | None:
    """Floating-point operations of one text whose logits are computed at every position; padding not counted."""
    one = facts.prefill_flops(length)
    return None if one is None else one + 2 * (facts.embedding_parameters or 0) * (length - 1)


def of_passes(run: Pass, facts: ArchitectureFacts | UserError, lengths: Iterable[int]) -> dict[str, Any]:
    """Time and tokens of the passes so far, and their rate as a share of the best of several matrix products.

    Args:
        run: the loaded model, after its passes; the products run on its device in its dtype.
        facts: the model's arithmetic, or why it is not known.
        lengths: tokens of each text that was passed.

    Returns:
        `forward_s`, `tokens`, `padded_tokens`, `batches`, and `gflop` (1e9 operations), `gflop_s`,
        `matmul_gflop_s`, `share_of_matrix_rate`, null with a reason where `facts` are not known.
    """
    spent: dict[str, Any] = {
        "forward_s": run.seconds,
        "tokens": run.tokens,
        "padded_tokens": run.padded_tokens,
        "batches": run.batches,
    }
    unknown = str(facts) if isinstance(facts, UserError) else facts.flops_unknown
    if unknown or isinstance(facts, UserError):
        return spent | dict.fromkeys(_FIELDS) | {f"{key}_why": unknown for key in _FIELDS}
    done = sum(flops(facts, length) or 0 for length in lengths) / 1e9
    best = max(rates.matrix_products(run.device, run.described["dtype"], MATRIX_SIZE)) / 1e9
    rate = done / run.seconds
    return spent | dict(zip(_FIELDS, (done, rate, best, rate / best), strict=True))
