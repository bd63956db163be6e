"""Rounds of peak rates: the first tries every kind of product, later ones those that came near the best."""

from __future__ import annotations

import samples
from evalpress import params
from evalpress.platforms import rates
from evalpress.sections.benchmark import engine_tables
from evalpress.sections.benchmark.peak_rates import PeakMeter

SPEEDS = {"slow": 1e9, "near": 6e9, "best": 1e10}


def test_later_rounds_repeat_what_came_near_the_best_and_the_best_of_all_counts(monkeypatch):
    asked: list[rates.Kinds | None] = []
    speeds = dict(SPEEDS)

    def peaks(device, copy_bytes, dtypes, sizes, seed, only):
        asked.append(only)
        found = [rates.Product(8, form, speed) for form, speed in speeds.items() if only is None or (8, form) in only]
        return rates.Peaks((1e9,), tuple(found))

    monkeypatch.setattr(rates, "peaks", peaks)
    meter = PeakMeter(params.load("demo"))
    meter.measure("before")
    speeds["near"] = 2e10  # the first round was slow for this one
    meter.measure("between")
    meter.measure("after")
    near = frozenset({(8, "near"), (8, "best")})
    assert asked == [None, near, near]
    best, why = meter.result()
    assert why is None and best is not None
    assert (best.matrix_form, best.matmul_tflop_s) == ("near", 0.02)
    assert [round_.matmul_tflop_s for round_ in best.rounds] == [0.01, 0.02, 0.02]


def test_the_rate_in_the_engines_dtype_stands_beside_the_best_rate(monkeypatch):
    def peaks(device, copy_bytes, dtypes, sizes, seed, only):
        found = {"linear in float32": 1.8e11, "a @ b in bfloat16": 2e9, "linear in bfloat16": 4e9}
        return rates.Peaks((1e9,), tuple(rates.Product(8, form, speed) for form, speed in found.items()))

    monkeypatch.setattr(rates, "peaks", peaks)
    meter = PeakMeter(params.load("demo"))
    meter.measure("before")
    best, _ = meter.result()
    assert best is not None and best.engine_dtype_tflop_s == 0.004
    document = samples.benchmark()
    document = document.model_copy(
        update={
            "data": document.data.model_copy(update={"ceilings": best}),
            "params": document.params | {"engine": {"dtype": "bfloat16"}},
        }
    )
    note = engine_tables.peak_rates(document).note
    assert "computes in bfloat16, in which matrix products reached at most 0.004 TFLOP/s here" in note
    assert "share of the rate in float32" in note
