"""How errors are distributed: by position in the text, and agreement by the reference's margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalpress.core import stats
from evalpress.sections.alignment import metrics
from evalpress.sections.alignment import noise as floors
from evalpress.sections.alignment.metrics import Rows

_MARGINS = (0.0, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def by_position(rows: Rows, noise: Rows, *, shifted: bool = False) -> list[dict[str, Any]]:
    """Median and 90th percentile of KL (nats) and largest error, and the noise ratio against the noise floor's
    records at the same positions, in bins of positions that double in width."""
    found = []
    low = 0
    while (rows["position"] >= low).any():
        high = max(1, 2 * low)
        within = (rows["position"] >= low) & (rows["position"] < high)
        if within.any():
            here, floor = rows[within], noise[within]
            bounds = {"from": low, "to": high - 1, "n": len(here)}
            found.append(
                {**bounds, **_spread(here, shifted=shifted), **floors.noise_ratio(here, floor, shifted=shifted)}
            )
        low = high
    return found


def _spread(rows: Rows, *, shifted: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"{key}_{word}": stats.percentile(rows[key], q)
        for key in ("kl_divergence", "max_abs_err")
        for word, q in (("median", 50), ("p90", 90))
    }
    for key in ("max_abs_err_median", "max_abs_err_p90") if shifted else ():
        found |= {key: None, f"{key}_why": metrics.SHIFTED}
    return found


def by_margin(rows: Rows) -> list[dict[str, Any]]:
    """Share of positions with the same best token, in bins of the reference's margin, with Wilson's interval."""
    agrees, margin = metrics.agrees(rows), rows["margin"]
    highest = max(2 * _MARGINS[-1], float(margin.max()))
    found = []
    for low, high in zip(_MARGINS, (*_MARGINS[1:], np.inf), strict=True):
        here = agrees[(margin >= low) & (margin < high)]
        if len(here):
            same = int(here.sum())
            ci_low, ci_high = stats.wilson_interval(same, len(here))
            bounds = {"from": low, "to": min(high, highest), "n": len(here), "same": same}
            found.append({**bounds, "share": same / len(here), "ci_low": ci_low, "ci_high": ci_high})
    return found
