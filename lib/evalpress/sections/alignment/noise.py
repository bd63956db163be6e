"""A candidate's errors beside those of the noise floor: ratios, and which changed tokens rounding explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evalpress.core.floats import spacing
from evalpress.sections.alignment import metrics
from evalpress.sections.alignment.agreement_results import Noise
from evalpress.sections.alignment.metrics import Rows


@dataclass(frozen=True)
class Flip:
    """A position whose best token differs between reference and candidate."""

    position: int
    reference_id: int
    candidate_id: int
    margin: float
    """The reference's best logit less its second best."""
    gap: float
    """The reference's best logit less its logit of the token that the candidate chose."""
    noise_max_abs_err: float
    verdict: Literal["within_noise", "unexplained", "rerouted"]


def noise_ratio(rows: Rows, noise: Rows, *, shifted: bool = False) -> Noise:
    """The candidate's RMSE over that of the noise floor at the same positions, and the same of the centred ones."""
    _same_positions(rows, noise)
    floor, centred = metrics.rmse(noise), metrics.centred_rmse(noise)
    found = Noise(
        noise_ratio=metrics.rmse(rows) / floor if floor else None,
        noise_ratio_why=None if floor else _NO_NOISE,
        centred_noise_ratio=metrics.centred_rmse(rows) / centred if centred else None,
        centred_noise_ratio_why=None if centred else _NO_NOISE,
    )
    return found.without(["noise_ratio"], metrics.SHIFTED) if shifted else found


_NO_NOISE = "the noise floor equals the reference: there is no noise"


def rounding_errors(noise: Rows, dtype: str, least: float = 0.0) -> NDArray[np.float64]:
    """The error that a correct implementation may make in a logit, in logits: float64 [positions].

    It is the noise floor's largest error there, and at least half a spacing of the dtype at the reference's best
    logit, the error of storing a logit in the dtype, and at least `least`.
    """
    stored = spacing(noise["top_logits"][:, 0, 0], dtype) / 2
    found: NDArray[np.float64] = np.maximum(np.maximum(noise["max_abs_err"], stored), least)
    return found


def flips(
    rows: Rows,
    noise: Rows,
    errors: NDArray[np.float64] | None = None,
    rerouted: NDArray[np.bool_] | None = None,
) -> list[Flip]:
    """Every position where the candidate chose another token than the reference's best, judged by the noise.

    Two logits that correct arithmetic moves by up to e each can change places when they lie within 2 e: a flip is
    within the noise when reference[best] - reference[chosen] is at most 2 e, any other one is unexplained.

    Args:
        errors: e of each position; None: the noise floor's largest error there.
        rerouted: positions at which a router took other experts; a flip there that is beyond the noise is named so.
    """
    _same_positions(rows, noise)
    allowed = noise["max_abs_err"] if errors is None else errors
    elsewhere = np.zeros(len(rows), bool) if rerouted is None else rerouted
    beyond: dict[bool, Literal["unexplained", "rerouted"]] = {False: "unexplained", True: "rerouted"}
    found = []
    for index in np.flatnonzero(~metrics.agrees(rows)):
        gap, error = float(rows["top_logits"][index, 0, 0]) - float(rows["chosen_logit"][index]), float(allowed[index])
        found.append(
            Flip(
                position=int(rows["position"][index]),
                reference_id=int(rows["top_ids"][index, 0, 0]),
                candidate_id=int(rows["chosen_id"][index]),
                margin=float(rows["margin"][index]),
                gap=gap,
                noise_max_abs_err=error,
                verdict="within_noise" if gap <= 2 * error else beyond[bool(elsewhere[index])],
            )
        )
    return found


def _same_positions(rows: Rows, noise: Rows) -> None:
    if not np.array_equal(rows["position"], noise["position"]):
        raise ValueError("noise floor: found other positions than the candidate's, allowed the same")
