"""The tails of an error, which a mean does not show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalpress.core import stats
from evalpress.sections.alignment.metrics import Rows

_SHARES = {"median": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}


def tails(rows: Rows) -> dict[str, Any]:
    """Median, p90, p99, p99.9 and maximum over the positions of three errors, none of which a shift changes.

    `kl_divergence` in nats; `probability_change`, of the reference's best token, absolute; `logprob_change`, of the
    text's own next token, absolute, in nats. A percentile that needs more positions than there are is their maximum.
    """
    known = ~np.isnan(rows["reference_nll"])
    found: dict[str, Any] = {
        "n_positions": len(rows),
        "kl_divergence": _tail(rows["kl_divergence"]),
        "probability_change": _tail(np.abs(_probability(rows, 1) - _probability(rows, 0))),
    }
    if not known.any():
        return found | {"logprob_change": None, "logprob_change_why": "no position here has a next token in the text"}
    change = np.abs(rows["candidate_nll"][known] - rows["reference_nll"][known])
    return found | {"logprob_change": _tail(change)}


def _probability(rows: Rows, side: int) -> NDArray[np.float64]:
    """Probability of the reference's best token, of the reference (0) or the candidate (1)."""
    logit = rows["best_candidate_logit"] if side else rows["top_logits"][:, 0, 0]
    lse = rows["candidate_lse"] if side else rows["reference_lse"]
    found: NDArray[np.float64] = np.exp(logit.astype(np.float64) - lse)
    return found


def _tail(values: NDArray[np.float64]) -> dict[str, float]:
    listed = values.tolist()
    return {name: stats.percentile(listed, share) for name, share in _SHARES.items()}
