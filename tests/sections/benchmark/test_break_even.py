"""When compilation has made up for its start, and how sure that is."""

from __future__ import annotations

import numpy as np
import pytest
from evalpress.sections.benchmark import break_even_text
from evalpress.sections.benchmark.break_even import break_even, from_starts, not_measured
from evalpress.sections.benchmark.results import ModeResults, PairedMetric
from samples import benchmark

SPEED = {"eager": 100.0, "compiled": 200.0, "ratio": 2.0, "n_pairs": 6, "better": "higher"}


def ratio(low=1.6, high=2.5, **changes):
    return PairedMetric(**SPEED | {"ci_low": low, "ci_high": high} | changes)


def test_tokens_and_seconds_by_hand_and_never():
    found = from_starts([10.0], [30.0], ratio())
    assert found.tokens == pytest.approx(20 / (1 / 100 - 1 / 200))
    assert found.seconds == pytest.approx(found.tokens / 200)
    never = from_starts([10.0], [30.0], ratio(eager=200.0, compiled=100.0))
    assert never.tokens is None and never.tokens_why.startswith("never")


def test_a_single_start_has_no_interval():
    found = from_starts([10.0], [30.0], ratio())
    assert found.tokens_low is None and "1 eager and 1 compiled" in found.tokens_low_why
    assert from_starts([1.0] * 3, [2.0] * 2, ratio()).tokens_high is None


def test_starts_that_vary_more_make_the_interval_wider():
    def width(spread):
        found = from_starts([10 - spread, 10.0, 10 + spread], [30 - spread, 30.0, 30 + spread], ratio())
        assert found.tokens_low < found.tokens < found.tokens_high
        return found.tokens_high - found.tokens_low

    assert width(0.01) < width(1.0) < width(3.0)
    assert width(0.01) > 20 / (0.01 * (1 - 1 / 1.6)) - 20 / (0.01 * (1 - 1 / 2.5))  # that of the speed-up alone


def test_an_interval_that_holds_no_gain_ends_at_never():
    unsure = from_starts([10.0, 10.1, 9.9], [30.0, 30.1, 29.9], ratio(low=0.9))
    assert unsure.tokens_low is not None
    assert unsure.tokens_high is None and unsure.tokens_high_why.startswith("never")
    few = ratio(None, None, ci_low_why="not enough blocks", ci_high_why="not enough blocks")
    assert "not enough blocks" in from_starts([10.0] * 3, [30.0] * 3, few).tokens_low_why


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(7)
    truth, hits, runs = 20 / (0.01 * (1 - 1 / 1.25)), 0, 300
    for _ in range(runs):
        logs = np.log(1.25) + rng.normal(0, 0.05, 6)
        half = 2.5706 * logs.std(ddof=1) / np.sqrt(6)  # Student, 5 degrees of freedom
        speed = ratio(float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half)), compiled=125.0)
        eager, compiled = rng.normal(10, 2, 4).tolist(), rng.normal(30, 2, 4).tolist()
        found = from_starts(eager, compiled, speed)
        hits += found.tokens_low <= truth and (found.tokens_high is None or truth <= found.tokens_high)
    assert hits / runs >= 0.95


def test_extreme_intervals_stay_finite():
    found = from_starts([10.0] * 3, [30.0] * 3, ratio(1e-300, 1e300, n_pairs=3))
    assert found.tokens_high is None and found.tokens_low > 0


def modes(**compiled):
    data = benchmark().data
    start = data.modes["compiled"].startup.model_copy(update=compiled)
    return data.modes | {"compiled": data.modes["compiled"].model_copy(update={"startup": start})}


def test_phases_leave_out_what_depends_on_which_engine_came_first():
    data = benchmark().data
    found = break_even(modes(compile_s=3.0, graph_capture_s=0.5), data.workloads, data.comparison)
    assert found.by_phases.extra_startup_s == pytest.approx(3.5)
    own = {mode: m.startup.total_s - m.startup.import_s - m.startup.config_s for mode, m in data.modes.items()}
    assert found.extra_startup_s == pytest.approx(own["compiled"] - own["eager"])
    assert break_even(modes(graph_capture_s=None), data.workloads, data.comparison).by_phases is not None
    for lacking in ({"compile_s": None}, {"kv_cache_s": None}, {"graph_capture_s": None, "captured_graphs": 35}):
        found = break_even(modes(**lacking), data.workloads, data.comparison)
        assert found.by_phases is None and found.by_phases_why


def test_further_starts_of_this_run_count():
    data = benchmark().data
    repeated: dict[str, ModeResults] = {
        name: mode.model_copy(update={"startup_repeats_s": (mode.startup.total_s, mode.startup.total_s + 0.3)})
        for name, mode in data.modes.items()
    }
    found = break_even(repeated, data.workloads, data.comparison)
    assert found.tokens_low is not None and found.cold.tokens_low is None


def test_a_report_of_one_mode_says_so():
    found = not_measured("only eager was measured").model_dump()
    nulls = [key for key, value in found.items() if value is None]
    assert "tokens" in nulls and all(found[f"{key}_why"] == "only eager was measured" for key in nulls)


def paragraph(low, high, saved=3.097e-3, **changes):
    """The paragraph of SmolLM2-135M-Instruct on a CPU (65 s, 22.04 and 23.65 tok/s) with this interval of its gain."""
    data = benchmark().data
    gain = ratio(low, high, eager=22.04, compiled=23.65, ratio=1.074)
    start = {"extra_startup_s": 65.22, "tokens": 21_057.0, "seconds": 890.3, "tokens_low": None, "tokens_high": None}
    why = dict.fromkeys(("tokens_low_why", "tokens_high_why", "by_phases_why", "cold_why"), "1 start")
    found = data.break_even.model_copy(update=start | why | {"by_phases": None, "cold": None} | changes)
    compared = {"throughput": {"output_throughput": gain}}
    return break_even_text.paragraphs(data.model_copy(update={"break_even": found, "comparison": compared})).source


def test_a_gain_that_the_run_does_not_show_gives_no_break_even():
    text = paragraph(0.979, 1.157)
    assert "Whether it makes up for that is not known" in text and "−2.1 % to +15.7 %" in text
    assert "21," not in text and "21 0" not in text
    assert "immediately" in paragraph(0.979, 1.157, extra_startup_s=-1.0)


def test_a_break_even_has_two_digits_and_the_range_that_the_gain_allows():
    text = paragraph(1.01, 1.143)
    assert "after about 21,000 output tokens, 890 s of running (11,000 to 150,000 tokens at the ends" in text
    assert text.endswith("; 1 start).")
    assert "(20,000 to never tokens, 95 % interval" in paragraph(1.01, 1.143, tokens_low=20_111.0)
