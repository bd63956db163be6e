"""Mixtures of experts: the positions at which no router took other experts, and agreement over those alone.

A router that takes another expert at a near tie moves all logits of its position by far more than rounding does. Where
that is rare the noise floor may have no such position and a correct implementation one, or the reverse, and
pooled errors differ by orders of magnitude. Positions that stand out in either are therefore counted (`outliers`), and
the other ones, the settled positions, are judged as those of a dense model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalpress.sections.alignment import metrics, noise, outliers
from evalpress.sections.alignment.agreement_results import Settled
from evalpress.sections.alignment.metrics import Rows


def stands_out(rows: Rows, every: Rows, dtype: str) -> NDArray[np.bool_]:
    """Whether a position's error is beyond ROUTED_FACTOR times the noise floor's median: bool [positions].

    Args:
        rows: a run's records, or the noise floor's.
        every: the noise floor's at all positions.
        dtype: of both.
    """
    typical = np.zeros(len(rows), rows.dtype)
    typical["top_logits"] = rows["top_logits"]
    found: NDArray[np.bool_] = outliers.ratios(rows, typical, every, dtype) > outliers.ROUTED_FACTOR
    return found


def settled(rows: Rows, floor: Rows, every: Rows, dtype: str, *, shifted: bool) -> Settled | None:
    """Agreement over the positions that stand out in neither the run nor the noise floor; None where there are none."""
    calm = ~(stands_out(rows, every, dtype) | stands_out(floor, every, dtype))
    if not calm.any():
        return None
    found, own = metrics.pooled(rows[calm], shifted=shifted), metrics.pooled(floor[calm])
    return Settled(
        **dict(noise.noise_ratio(rows[calm], floor[calm], shifted=shifted)),
        n_positions=found.n_positions,
        kl_divergence=found.kl_divergence,
        cosine_similarity=found.cosine_similarity,
        cosine_similarity_why=found.cosine_similarity_why,
        noise_floor_kl_divergence=own.kl_divergence,
        noise_floor_cosine_similarity=own.cosine_similarity,
        noise_floor_cosine_similarity_why=own.cosine_similarity_why,
    )


def only_in_floor(rows: Rows, floor: Rows, every: Rows, dtype: str) -> int:
    """Positions that stand out in the noise floor and not in the run."""
    return int((stands_out(floor, every, dtype) & ~stands_out(rows, every, dtype)).sum())
