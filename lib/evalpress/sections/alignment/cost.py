"""What the reference's forward passes cost, beside what this machine's matrix products can do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evalpress.model import ArchitectureFacts
from evalpress.model.forward import Pass
from evalpress.platforms import rates

MATRIX_SIZE = 1536
_FIELDS = ("gflop", "gflop_s", "matmul_gflop_s", "share_of_matrix_rate")


def flops(facts: ArchitectureFacts, length: int) -> int | None:
    """Floating-point operations of one text whose logits are computed at every position; padding not counted."""
    one = facts.prefill_flops(length)
    return None if one is None else one + 2 * (facts.embedding_parameters or 0) * (length - 1)


def of_passes(run: Pass, facts: ArchitectureFacts | str, lengths: Iterable[int]) -> dict[str, Any]:
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
    why = facts if isinstance(facts, str) else facts.flops_unknown
    if why or isinstance(facts, str):
        return spent | unknown(_FIELDS, str(why))
    done = sum(flops(facts, length) or 0 for length in lengths) / 1e9
    best = max(rates.matrix_products(run.device, run.described["dtype"], MATRIX_SIZE)) / 1e9
    rate = done / run.seconds
    return spent | dict(zip(_FIELDS, (done, rate, best, rate / best), strict=True))


def unknown(keys: Iterable[str], why: str) -> dict[str, Any]:
    """These keys, null, each with the reason."""
    return {key: value for name in keys for key, value in ((name, None), (f"{name}_why", why))}


def not_computed(why: str) -> dict[str, Any]:
    """What `of_passes` gives, where no pass was run here."""
    return unknown(("forward_s", "tokens", "padded_tokens", "batches", *_FIELDS), why)
