"""What HTTP adds to a latency: figures of both sides, and a machine whose speed changes meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
import serving_samples as made
from evalpress.sections.serving import http_cost, tables
from scipy.stats import ttest_ind


def test_http_cost_is_the_served_figure_minus_the_one_in_process():
    served = [made.observation(i, ttft, [0.003, 0.003]) for i, ttft in enumerate((0.05, 0.008, 0.010, 0.009))]
    inside = [made.observation(0, 0.003, [0.004]), made.observation(1, 0.005, [0.004])]
    row = http_cost.compare("eager", served, inside)
    sent = [1e3 * one.ttft_s for one in served]
    assert row.added_ttft_ms == pytest.approx(np.mean(sent) - 4)
    expected = ttest_ind(sent, [3.0, 5.0], equal_var=False).confidence_interval(0.95)
    assert (row.added_ttft_ms_low, row.added_ttft_ms_high) == pytest.approx((expected.low, expected.high))
    assert row.in_process.output_throughput == pytest.approx(sum(o.output_tokens for o in inside) / 0.016)
    single = [made.observation(0, 0.003, []), made.observation(1, 0.003, [])]
    row = http_cost.compare("eager", served, single)
    assert row.added_tpot_ms is None and row.in_process.mean_tpot_ms is None and row.added_ttft_ms is not None
    assert "n/a" in tables.http_cost(made.document(http_cost=(row,), http_cost_why=None)).markdown()


def test_a_machine_that_becomes_slower_adds_nothing_to_what_http_costs(monkeypatch):
    """Each request takes 1 % longer than the one before it: one side after the other would show 16 %."""
    monkeypatch.setattr(http_cost.time, "sleep", lambda seconds: None)
    sent: list[str] = []

    def side(name):
        def send(drawn):
            sent.extend([name] * len(drawn))
            first = len(sent) - len(drawn)
            return [made.observation(0, 1.0 + 0.01 * (first + i), [0.1]) for i in range(len(drawn))]

        return send

    found = http_cost.in_turn({name: side(name) for name in ("http", "inside")}, [[n] for n in range(16)])
    assert sent == (["http"] * 4 + ["inside"] * 8 + ["http"] * 4) * 2
    row = http_cost.compare("eager", found["http"], found["inside"])
    assert row.added_ttft_ms == pytest.approx(0.0, abs=1e-9)
    assert len(http_cost.in_turn({"a": side("a")}, [[1], [2]])["a"]) == 2
