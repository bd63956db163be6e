"""How errors are distributed: by position in the text, and agreement by the reference's margin."""

from __future__ import annotations

import numpy as np

from evalpress.core import stats
from evalpress.sections.alignment import metrics
from evalpress.sections.alignment import noise as floors
from evalpress.sections.alignment.agreement_results import MarginBin, PositionBin
from evalpress.sections.alignment.metrics import Rows

_DEPEND_ON_SHIFT = ("max_abs_err_median", "max_abs_err_p90")
_MARGINS = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def by_position(rows: Rows, noise: Rows, *, shifted: bool = False) -> list[PositionBin]:
    """Median and 90th percentile of KL (nats) and largest error, and the noise ratio against the noise floor's
    records at the same positions, in bins of positions that double in width."""
    found = []
    low = 0
    while (rows["position"] >= low).any():
        high = max(1, 2 * low)
        within = (rows["position"] >= low) & (rows["position"] < high)
        if within.any():
            here = rows[within]
            of_bin = PositionBin(
                **dict(floors.noise_ratio(here, noise[within], shifted=shifted)),
                from_=low,
                to=high - 1,
                n=len(here),
                kl_divergence_median=stats.percentile(here["kl_divergence"], 50),
                kl_divergence_p90=stats.percentile(here["kl_divergence"], 90),
                max_abs_err_median=stats.percentile(here["max_abs_err"], 50),
                max_abs_err_p90=stats.percentile(here["max_abs_err"], 90),
            )
            found.append(of_bin.without(_DEPEND_ON_SHIFT, metrics.SHIFTED) if shifted else of_bin)
        low = high
    return found


def by_margin(rows: Rows) -> list[MarginBin]:
    """Share of positions with the same best token, in bins of the reference's margin, with Wilson's interval."""
    agrees, margin = metrics.agrees(rows), rows["margin"]
    highest = max(2 * _MARGINS[-1], float(margin.max()))
    found = []
    for low, high in zip(_MARGINS, (*_MARGINS[1:], np.inf), strict=True):
        here = agrees[(margin >= low) & (margin < high)]
        if len(here):
            same = int(here.sum())
            ci_low, ci_high = stats.wilson_interval(same, len(here))
            found.append(
                MarginBin(
                    from_=low,
                    to=min(high, highest),
                    n=len(here),
                    same=same,
                    share=same / len(here),
                    ci_low=ci_low,
                    ci_high=ci_high,
                )
            )
    return found
