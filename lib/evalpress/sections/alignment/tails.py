"""The tails of an error, which a mean does not show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalpress.core import stats
from evalpress.sections.alignment.agreement_results import Tail, Tails
from evalpress.sections.alignment.metrics import NO_NEXT_TOKEN, Rows

_SHARES = {"median": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}


def tails(rows: Rows) -> Tails:
    """Median, p90, p99, p99.9 and maximum over the positions of three errors, none of which a shift changes.

    `kl_divergence` in nats; `probability_change`, of the reference's best token, absolute; `logprob_change`, of the
    text's own next token, absolute, in nats. A percentile that needs more positions than there are is their maximum.
    """
    known = ~np.isnan(rows["reference_nll"])
    change = np.abs(rows["candidate_nll"][known] - rows["reference_nll"][known])
    return Tails(
        n_positions=len(rows),
        kl_divergence=_tail(rows["kl_divergence"]),
        probability_change=_tail(np.abs(_probability(rows, 1) - _probability(rows, 0))),
        logprob_change=_tail(change) if len(change) else None,
        logprob_change_why=None if len(change) else NO_NEXT_TOKEN,
    )


def _probability(rows: Rows, side: int) -> NDArray[np.float64]:
    """Probability of the reference's best token, of the reference (0) or the candidate (1)."""
    logit = rows["best_candidate_logit"] if side else rows["top_logits"][:, 0, 0]
    lse = rows["candidate_lse"] if side else rows["reference_lse"]
    found: NDArray[np.float64] = np.exp(logit.astype(np.float64) - lse)
    return found


def _tail(values: NDArray[np.float64]) -> Tail:
    listed = values.tolist()
    return Tail(**{name: stats.percentile(listed, share) for name, share in _SHARES.items()})
