"""What the benchmark's figures say of their results."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import samples
from evalpress.core.results import Document
from evalpress.sections.benchmark.figures import eager_vs_compiled, latency_distribution, speed_up, throughput_bars
from evalpress.sections.benchmark.results import PairedMetric, Results
from evalpress.sections.benchmark.startup_figure import phases, startup_phases

pytestmark = pytest.mark.slow

RATIO = {"eager": 1.0, "compiled": 2.0, "ratio": 2.0, "ci_low": 1.6, "ci_high": 2.5, "n_pairs": 6, "better": "higher"}
NO_INTERVAL = {"ci_low": None, "ci_high": None, "ci_low_why": "not enough blocks", "ci_high_why": "not enough blocks"}


def texts(figure):
    svg = "{http://www.w3.org/2000/svg}"
    return ["".join(node.itertext()) for node in ET.fromstring(figure.svg).iter(f"{svg}text")]


def compared(workload, **changes):
    """A document whose only comparison is this one."""
    whole = samples.benchmark_json()
    metrics = ("output_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms")
    whole["data"]["comparison"] = {workload: dict.fromkeys(metrics, RATIO) | {"output_throughput": RATIO | changes}}
    return Document[Results].model_validate(whole)


def test_speed_ups_point_the_same_way_for_throughput_and_latency():
    assert speed_up(PairedMetric(**RATIO)) == (2.0, 1.6, 2.5)
    less = RATIO | {"better": "lower"}
    assert speed_up(PairedMetric(**less)) == pytest.approx((0.5, 0.4, 0.625))
    assert speed_up(PairedMetric(**less | NO_INTERVAL)) == (0.5, None, None)
    assert speed_up(PairedMetric(**RATIO | {"ratio": None, "ratio_why": "silent"})) is None


def test_ratios_and_intervals_stand_in_the_figure():
    shown = eager_vs_compiled(compared("decode_128", ratio=1.224, ci_low=1.201, ci_high=1.239))
    assert {"decode_128", "output throughput", "1.22× (1.20–1.24)"} <= set(texts(shown))


def test_a_missing_interval_is_named():
    shown = eager_vs_compiled(compared("decode", **NO_INTERVAL))
    assert "interval of output throughput of decode; reason: not enough blocks" in shown.caption
    assert "2.00×" in texts(shown)


def test_throughput_figures_stand_at_their_bars():
    whole = samples.benchmark_json()
    whole["data"]["modes"]["eager"]["workloads"]["decode"]["output_throughput"] = 1234.4
    shown = throughput_bars(Document[Results].model_validate(whole))
    assert "1,234 tok/s" in texts(shown) and "decode eager 1,234" in shown.alt


def test_latencies_are_drawn_from_the_requests_where_they_are_given():
    document = samples.benchmark()
    requests = [float(v) for v in range(1, 100)]
    raw = {mode: dict.fromkeys(samples.WORKLOADS, requests) for mode in ("eager", "compiled")}
    assert "decode compiled 50 ms" in latency_distribution(document, raw).alt
    many = {"eager": {"decode": [float(v) for v in range(10_001)]}}
    assert "decode eager 5,000 ms" in latency_distribution(document, many).alt


def test_the_medians_in_words_are_numpys():
    values = [10.0, 20.0, 30.0, 70.0]  # the middle of an even count lies between two of them
    shown = latency_distribution(samples.benchmark(), {"eager": {"decode": values}})
    assert f"decode eager {np.median(values):.0f} ms" in shown.alt


def test_start_up_phases_keep_their_order_and_sum():
    document = samples.benchmark()
    start = document.data.modes["compiled"].startup
    more = type(start).model_validate(start.model_dump() | {"warm_up_s": 0.5})  # a phase that a later engine tells of
    names = [name for name, _, _ in phases(more)]
    assert names[:4] == ["import", "configuration", "engine core, workers", "load weights"]
    assert names[4:] == ["compile", "capture graphs", "KV cache", "warm up", "unaccounted"]
    shown = startup_phases(document)
    assert f"compiled, cold: {start.total_s:.3g} s" in texts(shown)
    assert "capture graphs (eager)" in shown.caption and "captures no graphs" in shown.caption


def test_names_are_letters_and_not_formulas():
    assert "a$b$ <i>&" in texts(eager_vs_compiled(compared("a$b$ <i>&")))


@pytest.mark.parametrize(
    ("low", "high"), [(0.98, 1.03), (0.9, 1.5), (0.33, 5.3), (0.02, 40.0), (1e-7, 1e7), (2e-308, 1.7e308)]
)
def test_ratio_axes_have_a_few_round_ticks_and_always_one(low, high):
    shown = eager_vs_compiled(compared("decode", ratio=1.1, ci_low=low, ci_high=high))
    ticks = [text for text in texts(shown) if re.fullmatch(r"[\d.]+×", text) and text not in ("2.00×",)]
    assert "1×" in ticks and 2 <= len(ticks) <= 9
