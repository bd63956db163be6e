"""The same tokens alone and among others: whether sharing a batch makes the errors larger.

Other shapes let kernels add up in another order, which changes single errors and leaves their size as it is. Rounding
that depends on the batch makes them larger at every step, long before any other limit is reached. Errors (centred RMSE
against the float32 reference) are compared in pairs, as long as both runs generated the same tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from evalpress.sections.alignment import outliers
from evalpress.sections.alignment.metrics import Rows
from evalpress.sections.alignment.results import BesideAlone

_BLOCK = 4
"""Steps of one prompt that count as one observation: neighbours share most of their errors."""
_Z = 3.09
"""Standard errors of a one-sided 99.9 % bound."""
_LEAST = 5


def beside(run: Mapping[str, Rows], alone: Mapping[str, Rows]) -> BesideAlone:
    """Geometric mean of the ratios of errors, and its lower 99.9 % bound.

    Args:
        run: prompt -> records by step of generation, of the run in a batch.
        alone: the same prompts, one at a time.
    """
    logs: list[float] = []
    positions = identical = 0
    for prompt, rows in run.items():
        other = alone[prompt]
        n = _common(rows, other)
        pair = outliers.errors(rows[:n]), outliers.errors(other[:n])
        identical += int((rows["mse"][:n] == other["mse"][:n]).sum())
        positions += n
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.nan_to_num(np.log(pair[0] / pair[1]), posinf=0.0, neginf=0.0)
        logs += [float(ratios[at : at + _BLOCK].mean()) for at in range(0, n, _BLOCK)]
    if len(logs) < _LEAST:
        why = f"{positions} common positions are too few"
        return BesideAlone(n_positions=positions, identical=identical, ratio=None, ratio_why=why, low=None, low_why=why)
    mean, spread = float(np.mean(logs)), float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    ratio, low = math.exp(mean), math.exp(mean - _Z * spread)
    return BesideAlone(n_positions=positions, identical=identical, ratio=ratio, low=low)


def _common(rows: Rows, other: Rows) -> int:
    """Steps up to and with the first at which another token was generated: its logits follow the same tokens."""
    n = min(len(rows), len(other))
    parted = np.flatnonzero(rows["chosen_id"][:n] != other["chosen_id"][:n])
    return int(parted[0]) + 1 if len(parted) else n
