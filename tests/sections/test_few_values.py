"""Percentiles are printed where enough values are beyond them, in every section by one rule."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import samples
from evalpress.core import stats
from evalpress.display.tables import Missing
from evalpress.sections.alignment import error_tables
from evalpress.sections.alignment.agreement_results import Tails
from evalpress.sections.benchmark import tables
from evalpress.sections.serving import percentiles
from filled import filled


def test_the_load_curve_and_the_other_sections_have_one_rule():
    assert percentiles.NEEDED == {"median": 1, "p90": 10, "p99": 100}
    assert stats.too_few("p99", 99, "requests") == "99 requests, 100 are needed"
    assert stats.too_few("p99", 100, "requests") is None and stats.too_few("max", 1, "requests") is None


@pytest.mark.parametrize(
    ("metric", "completed", "tokens", "shown"),
    [("ttft", 8, 800, ""), ("ttft", 10, 1000, "p90"), ("ttft", 100, 400, "p90 p99"), ("itl", 8, 800, "p90 p99")],
)
def test_a_latency_of_few_requests_has_no_high_percentile(metric, completed, tokens, shown):
    document = samples.benchmark()
    data = document.data.model_dump(by_alias=True)
    for mode in data["modes"].values():
        for found in mode["workloads"].values():
            found |= {"completed": completed, "total_output_tokens": tokens}
    table = tables.latency(document.model_copy(update={"data": type(document.data).model_validate(data)}), metric)
    heads = [column.title for column in table.heads]
    row = dict(zip(heads, table.rows[0], strict=True))
    assert [name for name in ("p90", "p99") if not isinstance(row[name], Missing)] == shown.split()
    assert row["gaps" if metric == "itl" else "requests"] == (tokens - completed if metric == "itl" else completed)


def test_tails_of_few_positions_stop_at_the_percentile_that_they_have():
    tail = {"median": 1.0, "p90": 2.0, "p99": 3.0, "p99_9": 4.0, "max": 5.0}
    found = {"n_positions": 116, "kl_divergence": tail, "probability_change": tail, "logprob_change": None}
    run = SimpleNamespace(tails=filled(Tails, found))
    data = SimpleNamespace(noise_floor=SimpleNamespace(tails=None), candidates={}, decode={"vllm_eager": run})
    document: Any = SimpleNamespace(data=data)
    (row, _) = error_tables.tails(document).rows
    assert row[2:6] == [116, 1.0, 2.0, 3.0] and row[6] == Missing("116 positions, 1,000 are needed") and row[7] == 5.0


def test_a_mean_of_ratios_that_contradicts_the_means_is_explained():
    document = samples.benchmark()
    assert "other way" not in tables.comparison(document).note
    changed = document.data.model_dump(by_alias=True)
    pair = changed["comparison"]["prefill"]["mean_tpot_ms"]
    pair |= {"ratio": 0.937, "eager": 48.34, "compiled": 50.98}
    changed = type(document.data).model_validate(changed)
    assert "can point the other way" in tables.comparison(document.model_copy(update={"data": changed})).note
