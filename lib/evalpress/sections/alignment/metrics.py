"""Comparison of raw logits, position by position, in float64.

`compare_rows` turns two [positions, vocabulary] float32 arrays into one small record per position,
streaming: beside its inputs, which may be memory-mapped, it needs a few hundred bytes per position and
nothing per token. `pooled`, `flips` and `noise_ratio` work on those records alone.

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
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.sections.alignment import kernel

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
        ("margin", "f8"),
        ("top_ids", "i8", (2, kernel.TOP)),
        ("top_logits", "f4", (2, kernel.TOP)),
    ]
)
"""One position. `top_*[0]` is the reference, `[1]` the candidate, best first; `margin` is the reference's
best logit less its second best; NaN marks what is undefined: a cosine with a row of zeros, an NLL without
a known next token."""

Rows = NDArray[Any]
_ROWS_PER_TASK = 16


@dataclass(frozen=True)
class Flip:
    """A position whose best token differs between reference and candidate."""

    position: int
    reference_id: int
    candidate_id: int
    margin: float
    noise_max_abs_err: float
    verdict: Literal["within_noise", "unexplained"]


def compare_rows(
    reference: NDArray[np.float32],
    candidate: NDArray[np.float32],
    positions: Sequence[int] | NDArray[np.int64],
    targets: Sequence[int] | None = None,
    name: str = "candidate",
) -> Rows:
    """Compare logits of the same tokens at the same positions, given as [positions, vocabulary] float32
    arrays.

    Args:
        positions: which position each row is of, for the records and for messages.
        targets: the token id that really follows at each position, or -1 where none is known.
        name: what to call the candidate in messages.

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
    """Whether both sides' best tokens are the same, per position."""
    same: NDArray[np.bool_] = rows["top_ids"][:, 0, 0] == rows["top_ids"][:, 1, 0]
    return same


def overlaps(rows: Rows) -> NDArray[np.int64]:
    """Tokens common to both sides' five best, per position."""
    left, right = rows["top_ids"][:, 0, :, None], rows["top_ids"][:, 1, None, :]
    common: NDArray[np.int64] = (left == right).sum(axis=(1, 2))
    return common


def rmse(rows: Rows) -> float:
    """Root mean square error over all positions and tokens."""
    return math.sqrt(float(rows["mse"].mean()))


def pooled(rows: Rows) -> dict[str, float | int | str | None]:
    """The metrics over all given positions; what is undefined is None with a reason under `<key>_why`."""
    if len(rows) == 0:
        raise ValueError("positions: found none, allowed at least one")
    found: dict[str, float | int | str | None] = {
        "n_positions": len(rows),
        "top1_agreement": float(agrees(rows).mean()),
        "top5_overlap": float(overlaps(rows).mean()) / kernel.TOP,
        "cosine_similarity": float(rows["cosine_similarity"].mean()),
        "mse": float(rows["mse"].mean()),
        "rmse": rmse(rows),
        "max_abs_err": float(rows["max_abs_err"].max()),
        "relative_euclidean_distance": _relative_distance(rows),
        "kl_divergence": float(rows["kl_divergence"].mean()),
        **_perplexities(rows),
    }
    for key, why in {
        "cosine_similarity": "a row of zeros has no direction",
        "relative_euclidean_distance": "the reference logits are all zero",
    }.items():
        value = found[key]
        if isinstance(value, float) and math.isnan(value):
            found |= {key: None, f"{key}_why": why}
    return found


def _relative_distance(rows: Rows) -> float:
    squares = float(rows["reference_square"].sum())
    return math.sqrt(float(rows["difference_square"].sum()) / squares) if squares > 0 else math.nan


def _perplexities(rows: Rows) -> dict[str, float | int | str | None]:
    """exp(mean NLL) of both sides over the positions whose next token is known."""
    known = rows[~np.isnan(rows["reference_nll"])]
    keys = ("perplexity_reference", "perplexity_candidate", "perplexity_difference")
    if len(known) == 0:
        why = "no position here has a next token in the text"
        return {"perplexity_positions": 0, **dict.fromkeys(keys), **{f"{key}_why": why for key in keys}}
    reference = math.exp(float(known["reference_nll"].mean()))
    candidate = math.exp(float(known["candidate_nll"].mean()))
    values = zip(keys, (reference, candidate, candidate - reference), strict=True)
    return {"perplexity_positions": len(known), **dict(values)}


def noise_ratio(rows: Rows, noise: Rows) -> dict[str, float | str | None]:
    """The candidate's RMSE over that of the noise floor at the same positions."""
    _same_positions(rows, noise)
    floor = rmse(noise)
    if floor == 0.0:
        return {
            "noise_ratio": None,
            "noise_ratio_why": "the noise floor equals the reference: there is no noise",
        }
    return {"noise_ratio": rmse(rows) / floor}


def flips(rows: Rows, noise: Rows) -> list[Flip]:
    """Every position whose best token differs, judged by the noise floor's largest error at that position.

    Two logits that the dtype alone moves by up to e each can change places when they lie within 2 e: such
    a flip is within the noise, any other one is unexplained.
    """
    _same_positions(rows, noise)
    found = []
    for index in np.flatnonzero(~agrees(rows)):
        margin, error = float(rows["margin"][index]), float(noise["max_abs_err"][index])
        found.append(
            Flip(
                position=int(rows["position"][index]),
                reference_id=int(rows["top_ids"][index, 0, 0]),
                candidate_id=int(rows["top_ids"][index, 1, 0]),
                margin=margin,
                noise_max_abs_err=error,
                verdict="within_noise" if margin <= 2 * error else "unexplained",
            )
        )
    return found


def _same_positions(rows: Rows, noise: Rows) -> None:
    if not np.array_equal(rows["position"], noise["position"]):
        raise ValueError("noise floor: found other positions than the candidate's, allowed the same")


def to_columns(rows: Rows) -> dict[str, list[Any]]:
    """The records as JSON columns, undefined values as null."""
    columns = {}
    for key in ROW.names or ():
        values = rows[key].tolist()
        columns[key] = [None if value != value else value for value in values] if rows[key].ndim == 1 else values
    return columns


def from_columns(columns: dict[str, list[Any]]) -> Rows:
    """The records that `to_columns` wrote."""
    rows = np.zeros(len(columns["position"]), ROW)
    for key in ROW.names or ():
        rows[key] = np.array([np.nan if value is None else value for value in columns[key]])
    return rows
