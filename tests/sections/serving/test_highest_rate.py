"""The interval of the highest rate that keeps the SLO, and the knee of the load curve."""

from __future__ import annotations

import numpy as np
import pytest
import serving_samples as made
from evalpress import params
from evalpress.sections.serving import knee, load, percentiles, rate_tables, search


def test_the_searchs_interval_comes_from_the_attainments_intervals():
    def at(rate, low, high, share):
        bounds = {"slo_attainment_low": low, "slo_attainment_high": high}
        made_rate = made.rate("eager", rate)
        run = made_rate.runs[0].model_copy(update={"slo_attainment": share})
        return made.rate("eager", rate, runs=(run,), **bounds)

    bracket = search._Bracket()
    for one in (at(10, 0.97, 1.0, 1.0), at(20, 0.93, 0.99, 0.97), at(25, 0.9, 0.97, 0.94), at(30, 0.7, 0.9, 0.8)):
        bracket.add(one, 0.95)
    found = search._result(bracket, params.schema.SloSearchParams(), [])
    assert (found.request_rate, found.request_rate_high) == (20, 25)
    assert (found.certain_rate, found.certain_rate_high) == (10, 30)
    shown = rate_tables.highest_rate(made.document(slo_search={"eager": found}, slo_search_why=None)).markdown()
    assert "10.0" in shown and " to 30" in shown


def test_the_share_of_the_slo_has_an_interval_that_dependence_widens():
    low, high = percentiles.share_interval([1] * 95 + [0] * 5)
    assert low < 0.9 and 0.95 < high < 1.0
    mixed = np.tile([1] * 19 + [0], 10)
    block = np.sort(mixed)[::-1]
    wide, narrow = (np.ptp(percentiles.share_interval(kept)) for kept in (block, mixed))
    assert wide > 2 * narrow
    assert percentiles.share_interval([1] * 100) == (pytest.approx(0.964, abs=0.001), 1.0)
    assert percentiles.share_interval([0, 0])[0] == 0.0


def test_the_knee_is_where_power_is_highest():
    def level(at, per_second, e2el):
        return made.level("eager", at, request_throughput=per_second, mean_e2el_ms=e2el)

    levels = [level(1, 10.0, 100.0), level(4, 36.0, 111.0), level(16, 60.0, 266.0), level(64, 62.0, 1030.0)]
    found, why = knee.knees(levels, load.saturation(levels))
    assert why is None and found is not None
    assert found["eager"].concurrency == 4 and not found["eager"].at_end
    assert "knee at 4 requests in flight" in rate_tables.knees(made.document(knees=found, knees_why=None)).source
    assert knee.knees(levels[:2], load.saturation(levels[:2])) == (None, "a knee needs 3 levels of serving.concurrency")
    straight = [level(1, 10.0, 100.0), level(4, 40.0, 100.0), level(16, 160.0, 100.0)]
    ends = knee.knees(straight, load.saturation(straight))[0]
    assert ends is not None and ends["eager"].at_end
