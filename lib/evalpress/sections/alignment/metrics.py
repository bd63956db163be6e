"""Comparison of raw logits, position by position, in float64.

`compare_rows` turns two [positions, vocabulary] float32 arrays into one small record per position,
streaming: beside its inputs, which may be memory-mapped, it needs a few hundred bytes per position and
nothing per token. `pooled` and the functions of `noise` and `tails` work on those records alone.

Definitions are those of the report's metrics table. Pooling over positions: shares, cosine, MSE and KL
are means over positions (so the mean of the rows is the overall figure); RMSE is the root of the pooled
MSE; the largest error is the largest; the relative distance is the root of summed squared errors over
that of summed squared references. Ties: of equal logits the lower token id ranks first, as in
torch.argmax and a stable descending sort.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.sections.alignment import kernel
from evalpress.sections.alignment.agreement_results import Metrics

WITHIN = ("match_within_1_percent", "match_within_5_permille", "match_within_2_permille")
"""Share of the vocabulary's logits whose error is at most that share of the reference's logit."""
ROW = np.dtype(
    [
        ("position", "i8"),
        ("cosine_similarity", "f8"),
        ("mse", "f8"),
        ("max_abs_err", "f8"),
        ("relative_euclidean_distance", "f8"),
        ("kl_divergence", "f8"),
        ("reference_square", "f8"),
        ("difference_square", "f8"),
        ("reference_nll", "f8"),
        ("candidate_nll", "f8"),
        ("reference_lse", "f8"),
        ("candidate_lse", "f8"),
        ("mean_difference", "f8"),
        ("mean_abs_err", "f8"),
        *((key, "f8") for key in ("mean_relative_error", *WITHIN)),
        ("margin", "f8"),
        ("chosen_id", "i8"),
        ("chosen_logit", "f4"),
        ("best_candidate_logit", "f4"),
        ("top_ids", "i8", (2, kernel.TOP)),
        ("top_logits", "f4", (2, kernel.TOP)),
    ]
)
"""One position. `top_*[0]` is the reference, `[1]` the candidate, best first; `margin` is the reference's
best logit less its second best; `chosen_id` is the token that the candidate chose (its best, or the one that it
generated) and `chosen_logit` the reference's logit of it; `best_candidate_logit` is the candidate's logit of the
reference's best token; `*_lse` is the log-sum-exp of the row. NaN marks what is undefined: a cosine with a row of
zeros, an NLL without a known next token."""

Rows = NDArray[Any]
_ROWS_PER_TASK = 16


def compare_rows(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    positions: Sequence[int] | NDArray[np.int64],
    targets: Sequence[int] | None = None,
    name: str = "candidate",
    chosen: Sequence[int] | None = None,
) -> Rows:
    """Compare logits of the same tokens at the same positions, given as [positions, vocabulary] float32
    arrays.

    Args:
        positions: which position each row is of, for the records and for messages.
        targets: the token id that follows in the text at each position, or -1 where none is known.
        name: what to call the candidate in messages.
        chosen: the token id that the candidate generated at each position; None: its best.

    Raises:
        MeasurementError: a logit is infinite or NaN; the message names side, position and token.
        ValueError: shapes or types that cannot be compared.
    """
    _check_shapes(reference, candidate, positions, targets)
    rows = np.zeros(len(positions), ROW)
    rows["position"] = positions
    starts = range(0, len(rows), _ROWS_PER_TASK)
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), max(1, len(starts)))) as threads:
        tasks = []
        for start in starts:
            part = slice(start, start + _ROWS_PER_TASK)
            nexts = None if targets is None else np.asarray(targets[part])
            tasks.append(threads.submit(_compare_part, reference[part], candidate[part], rows[part], nexts, name))
        for task in tasks:
            task.result()
    if chosen is not None:
        rows["chosen_id"] = chosen
        rows["chosen_logit"] = np.asarray(reference)[np.arange(len(rows)), rows["chosen_id"]]
    return rows


def _check_shapes(reference: NDArray[np.float32], candidate: NDArray[np.float32], positions: Any, targets: Any) -> None:
    if reference.dtype != np.float32 or candidate.dtype != np.float32:
        raise ValueError(f"logits: found {reference.dtype} and {candidate.dtype}, allowed float32")
    if reference.shape != candidate.shape or reference.ndim != 2 or reference.shape[1] < kernel.TOP:
        raise ValueError(
            f"logits: found shapes {reference.shape} and {candidate.shape}, "
            f"allowed two equal [positions, {kernel.TOP} or more tokens]"
        )
    if len(positions) != len(reference) or (targets is not None and len(targets) != len(reference)):
        raise ValueError(f"logits: found {len(reference)} rows, allowed one per position and target")


def _compare_part(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    rows: Rows,
    targets: NDArray[np.int64] | None,
    name: str,
) -> None:
    """Fill the records of a few rows."""
    reference, candidate = np.ascontiguousarray(reference), np.ascontiguousarray(candidate)
    sums = np.empty((len(rows), len(kernel.COLUMNS)))
    ids = np.zeros((len(rows), 2, kernel.TOP), np.int64)
    logits = np.empty((len(rows), 2, kernel.TOP), np.float32)
    bad = kernel.compare(reference, candidate, sums, ids, logits)
    if bad >= 0:
        raise MeasurementError(_name_bad_logit(reference[bad], candidate[bad], int(rows["position"][bad]), name))
    rr, cc, dd, rc, largest, kl, reference_lse, candidate_lse = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        rows["cosine_similarity"] = np.clip(rc / (np.sqrt(rr) * np.sqrt(cc)), -1.0, 1.0)
        rows["relative_euclidean_distance"] = np.where(rr > 0, np.sqrt(dd) / np.sqrt(rr), np.nan)
    rows["mse"], rows["max_abs_err"], rows["kl_divergence"] = dd / reference.shape[1], largest, kl
    rows["reference_square"], rows["difference_square"] = rr, dd
    rows["top_ids"], rows["top_logits"] = ids, logits
    rows["margin"] = logits[:, 0, 0].astype(np.float64) - logits[:, 0, 1]
    rows["reference_lse"], rows["candidate_lse"] = reference_lse, candidate_lse
    at = np.arange(len(rows))
    rows["chosen_id"] = ids[:, 1, 0]
    rows["chosen_logit"] = reference[at, ids[:, 1, 0]]
    rows["best_candidate_logit"] = candidate[at, ids[:, 0, 0]]
    close = np.empty((len(rows), len(kernel.CLOSENESS)))
    kernel.closeness(reference, candidate, close)
    for key, column in zip(("mean_difference", "mean_abs_err", "mean_relative_error", *WITHIN), close.T, strict=True):
        rows[key] = column / reference.shape[1]
    rows["reference_nll"] = _nll(reference, reference_lse, targets)
    rows["candidate_nll"] = _nll(candidate, candidate_lse, targets)


def _nll(logits: NDArray[np.float32], lse: NDArray[np.float64], targets: NDArray[np.int64] | None) -> Any:
    """Negative log likelihood in nats of each target, NaN where there is none."""
    if targets is None:
        return np.nan
    known = targets >= 0
    chosen = logits[np.arange(len(logits)), np.where(known, targets, 0)].astype(np.float64)
    return np.where(known, lse - chosen, np.nan)


def _name_bad_logit(reference: NDArray[np.float32], candidate: NDArray[np.float32], position: int, name: str) -> str:
    for side, row in (("reference", reference), (name, candidate)):
        for token in np.flatnonzero(~np.isfinite(row)):
            where = f"{side}: position {position}, token {token}"
            return f"{where}: found logit {row[token]}, allowed finite numbers"
    raise AssertionError("called for rows that are finite")


def agrees(rows: Rows) -> NDArray[np.bool_]:
    """Whether the candidate chose the reference's best token: bool [positions]."""
    same: NDArray[np.bool_] = rows["top_ids"][:, 0, 0] == rows["chosen_id"]
    return same


def overlaps(rows: Rows) -> NDArray[np.int64]:
    """Number of tokens common to both sides' five best, 0 to 5: int64 [positions]."""
    left, right = rows["top_ids"][:, 0, :, None], rows["top_ids"][:, 1, None, :]
    common: NDArray[np.int64] = (left == right).sum(axis=(1, 2))
    return common


def rmse(rows: Rows) -> float:
    """Root mean square error over all positions and tokens, in logits."""
    return math.sqrt(float(rows["mse"].mean()))


def centred_rmse(rows: Rows) -> float:
    """RMSE after each position's mean difference is taken off: the same for logits and for log-probabilities."""
    return math.sqrt(max(0.0, float((rows["mse"] - rows["mean_difference"] ** 2).mean())))


def are_log_probabilities(rows: Rows) -> bool:
    """Whether the candidate gave log-probabilities: every row's log-sum-exp is 0, and the reference's are not.

    A float32 log-probability near ln(vocabulary) = 12 has a spacing of 1e-6, so its row's log-sum-exp is 0 to
    about 1e-5.
    """
    return bool((np.abs(rows["candidate_lse"]) < LSE_ZERO).all() and (np.abs(rows["reference_lse"]) > LSE_ZERO).any())


LSE_ZERO = 1e-3
SHIFTED = "the engine gave log-probabilities in place of raw logits, and this figure depends on the difference of both"
NO_NEXT_TOKEN = "no position here has a next token in the text"
DEPENDS_ON_SHIFT = (
    "cosine_similarity",
    "mse",
    "rmse",
    "max_abs_err",
    "mean_abs_err",
    "relative_euclidean_distance",
    "mean_relative_error",
    *WITHIN,
)


def pooled(rows: Rows, *, shifted: bool = False) -> Metrics:
    """The metrics over all given positions; what is undefined is None with a reason.

    Args:
        shifted: the candidate's rows are log-probabilities; what depends on the shift is None.
    Raises:
        ValueError: there are no positions.
    """
    if len(rows) == 0:
        raise ValueError("positions: found none, allowed at least one")
    cosines = rows["cosine_similarity"][~np.isnan(rows["cosine_similarity"])]
    squares = float(rows["reference_square"].sum())
    known = rows[~np.isnan(rows["reference_nll"])]
    reference, candidate = (_perplexity(known[key]) for key in ("reference_nll", "candidate_nll"))
    no_next = None if len(known) else NO_NEXT_TOKEN
    found = Metrics(
        n_positions=len(rows),
        top1_agreement=float(agrees(rows).mean()),
        top5_overlap=float(overlaps(rows).mean()) / kernel.TOP,
        cosine_similarity=float(cosines.mean()) if len(cosines) else None,
        cosine_similarity_why=None if len(cosines) else "a row of zeros has no direction",
        mse=float(rows["mse"].mean()),
        rmse=rmse(rows),
        centred_rmse=centred_rmse(rows),
        max_abs_err=float(rows["max_abs_err"].max()),
        mean_abs_err=float(rows["mean_abs_err"].mean()),
        relative_euclidean_distance=math.sqrt(float(rows["difference_square"].sum()) / squares) if squares else None,
        relative_euclidean_distance_why=None if squares else "the reference logits are all zero",
        kl_divergence=float(rows["kl_divergence"].mean()),
        mean_relative_error=float(rows["mean_relative_error"].mean()),
        match_within_1_percent=float(rows["match_within_1_percent"].mean()),
        match_within_5_permille=float(rows["match_within_5_permille"].mean()),
        match_within_2_permille=float(rows["match_within_2_permille"].mean()),
        undefined_cosines=len(rows) - len(cosines),
        perplexity_positions=len(known),
        perplexity_reference=reference,
        perplexity_reference_why=no_next,
        perplexity_candidate=candidate,
        perplexity_candidate_why=no_next,
        perplexity_difference=None if reference is None or candidate is None else candidate - reference,
        perplexity_difference_why=no_next,
    )
    return found.without(DEPENDS_ON_SHIFT, SHIFTED) if shifted else found


def _perplexity(nll: NDArray[np.float64]) -> float | None:
    """exp(mean NLL) over the positions whose next token is known."""
    return math.exp(float(nll.mean())) if len(nll) else None


def to_columns(rows: Rows) -> dict[str, list[Any]]:
    """The records as JSON columns, undefined values as null."""
    columns = {}
    for key in ROW.names or ():
        values = rows[key].tolist()
        columns[key] = [None if value != value else value for value in values] if rows[key].ndim == 1 else values
    return columns
