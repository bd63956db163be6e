"""Windows, figures, invariants and gates of the load curve, from requests that are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import serving_samples as made
from evalpress import params
from evalpress.core.paths import ROOT
from evalpress.core.results import read
from evalpress.display.tables import Prose
from evalpress.sections.serving import (
    invariants,
    load,
    percentiles,
    point,
    rate_tables,
    search,
    tables,
    window,
)
from evalpress.sections.serving.counters import Counted
from evalpress.sections.serving.gates import gates
from evalpress.sections.serving.results import Results

SLO = {"ttft": 100.0, "tpot": 50.0}


def test_a_closed_loops_window_leaves_out_ramp_and_cool_down():
    burst = [made.observation(0.0, 0.5, [0.1] * 4) for _ in range(4)]  # the first wave, sent together, waits long
    steady = [made.observation(0.9 + 0.1 * i, 0.1, [0.1] * 3) for i in range(40)]
    found = window.closed_loop([*burst, *steady], 4)
    assert found.why_whole is None and found.begin == 0.9 and found.end == pytest.approx(4.8)
    assert not set(map(id, burst)) & set(map(id, found.counted))
    assert all(one.ended_s <= found.end for one in found.counted) and len(found.counted) == 36
    figures = point.figures([made.repeat([*burst, *steady], 4)], SLO)
    assert figures["mean_ttft_ms"] == pytest.approx(100)
    assert figures["whole_run"].mean_ttft_ms == pytest.approx((4 * 500 + 40 * 100) / 44)
    assert figures["output_throughput"] == pytest.approx(40, rel=0.1)  # ten requests a second of four tokens
    assert figures["mean_in_flight"] == pytest.approx(4, rel=0.1)
    assert figures["output_throughput"] * figures["duration"] == pytest.approx(figures["total_output_tokens"])


def test_an_open_loops_window_begins_when_its_load_is_reached():
    found = window.open_loop(made.arrived(10, 100, 0.5, 0.1, 6))  # each takes a second: ten in flight
    assert found.begin == pytest.approx(0.9) and found.end == pytest.approx(9.9)
    assert window.in_flight(found.counted, 3, 6) == pytest.approx(10)


def test_where_nothing_is_steady_the_whole_run_counts_and_says_so():
    assert "first wave" in str(window.closed_loop(made.closed(4, 4, 0.1, 0.1), 4).why_whole)
    assert "single arrival" in str(window.open_loop(made.arrived(1, 1, 0.1, 0.1)).why_whole)
    slow = window.open_loop([made.observation(i / 10, 60.0, [0.1]) for i in range(5)])
    assert "sent and answered while the load stood" in str(slow.why_whole) and len(slow.counted) == 5


def test_a_growing_queue_drifts():
    growing = [made.observation(i / 10, 0.1 + i / 200, [0.001]) for i in range(300)]
    shown = point.figures([made.repeat(growing)], SLO)
    assert shown["drifts"] and shown["drift"] > window.DRIFT
    assert not point.figures([made.repeat(made.arrived(10, 60, 0.1, 0.01))], SLO)["drifts"]


def test_percentiles_need_requests_enough():
    few = point.latencies([made.observation(i, 0.1, [0.01]) for i in range(99)])
    assert few["p99_ttft_ms"] is None and few["p99_ttft_ms_why"] == "99 requests in the window, 100 are needed"
    many = point.latencies([made.observation(i, i / 100, [0.01]) for i in range(100)])
    assert many["p99_ttft_ms"] == pytest.approx(np.percentile(np.arange(100) * 10, 99))
    assert point.latencies([made.observation(0, 0.1, [0.01])])["p90_e2el_ms"] is None


def test_intervals_over_repeats_need_three():
    runs = [made.repeat(made.closed(1, 20, ttft, 0.01), 1) for ttft in (0.10, 0.11, 0.12)]
    assert "2 of the 3 repeats" in point.figures(runs[:2], SLO)["intervals_why"]
    found = point.figures(runs, SLO)
    each = [run.mean_ttft_ms for run in found["runs"]]
    half = 4.302653 * np.std(each, ddof=1) / math.sqrt(3)
    assert found["intervals"]["mean_ttft_ms"].low == pytest.approx(np.mean(each) - half)
    wide = [made.repeat(made.closed(1, 20, ttft, 0.01), 1) for ttft in (0.01, 0.02, 0.5)]
    bounds = point.figures(wide, SLO)["intervals"]
    assert bounds["mean_ttft_ms"].low == 0 < bounds["mean_ttft_ms"].high
    assert "slo_attainment" not in bounds  # a share has the interval of a share


def test_failed_requests_and_single_tokens_keep_no_slo():
    good, late = made.observation(0, 0.05, [0.01]), made.observation(1, 0.2, [0.01])
    failed = replace(good, error="HTTP 500: engine died", ttft_s=None, output_tokens=0)
    single = made.observation(3, 0.05, [])
    assert point.attainment([good, late, failed, single], SLO) == (0.25, "")
    assert point.attainment([single], {"ttft": 100.0}) == (1.0, "")
    assert point.attainment([good], {}) == (None, "the set gives no serving.slo")
    share, why = point.attainment([single, single], SLO)
    assert share is None and "TPOT" in why


@pytest.mark.parametrize(
    ("busy", "count"),
    [(0.001, 1000), (0.5, 300), *(pytest.param(0.8, count, marks=pytest.mark.slow) for count in (300, 1000, 3000))],
)
def test_percentile_intervals_cover_the_percentiles_of_a_known_queue(busy, count):
    """M/M/1: response times are exponential with rate 1 - busy; neighbours resemble each other the more, the busier."""
    runs, rng = 200, np.random.default_rng(7)
    gaps, work = rng.exponential(1 / busy, (count, runs)), rng.exponential(1.0, (count, runs))
    waiting = np.where(rng.random(runs) < busy, rng.exponential(1 / (1 - busy), runs), 0.0)  # as in the steady state
    seen = np.empty((count, runs))
    for index in range(count):
        seen[index] = waiting + work[index]
        waiting = np.maximum(0.0, seen[index] - gaps[index])
    for share in (0.5, 0.9, 0.99):
        truth = -math.log(1 - share) / (1 - busy)
        found = [percentiles.interval(seen[:, run], share) for run in range(runs)]
        covered = np.mean([(i.low is None or i.low <= truth) and (i.high is None or truth <= i.high) for i in found])
        assert covered >= 0.92, (share, covered)
        both = np.mean([i.low is not None and i.high is not None for i in found])
        assert both > 0.6 or share > 0.5  # the interval of a median is no way out


def test_an_interval_of_too_few_requests_says_why():
    found = percentiles.interval(np.arange(100.0), 0.99)
    assert found.low is not None and found.high is None and "too few for this bound" in str(found.why)


def test_saturation_is_the_highest_point_that_the_client_kept_up_with():
    levels = [made.level("eager", at, output_throughput=speed) for at, speed in ((1, 100.0), (4, 300.0), (16, 320.0))]
    levels += [made.level("compiled", 1, output_throughput=200.0)]
    levels += [made.level("compiled", 4, output_throughput=900.0, client_bound=True)]
    found = load.saturation(levels)
    assert (found["eager"].concurrency, found["eager"].reached) == (16, True)
    assert (found["compiled"].concurrency, found["compiled"].reached_why) == (1, "not yet")
    assert "runs 16 at a time" in load.saturation(levels, 16)["eager"].reached_why
    bound = [made.level("eager", 1, client_bound=True), made.level("eager", 4, client_bound=True)]
    assert load.saturation(bound)["eager"].concurrency == 1


def checked(*repeats):
    found = invariants.check({("eager", "concurrency-2"): repeats}, 16, 8)
    return {one.id: one for one in found}


def test_every_invariant_holds_of_a_sound_run_and_can_break():
    sound = made.repeat(made.closed(2, 10, 0.01, 0.001), 2)
    counted = point.Repeat(sound.load, sound.window, 2, Counted(240, 240))
    assert {one.status for one in checked(counted).values()} == {"ok"}
    assert checked(sound)["server_tokens"].status == "n/a"
    wrong = {
        "output_len": made.repeat(made.closed(2, 10, 0.01, 0.001, tokens=7), 2),
        "input_len": made.repeat([made.observation(i, 0.1, [0.01] * 7, input_tokens=15) for i in range(4)], 2),
        "server_tokens": point.Repeat(sound.load, sound.window, 2, Counted(241, 240)),
        "in_flight": made.repeat([made.observation(i / 100, 0.1, [0.01] * 7) for i in range(9)], 2),
    }
    for name, repeat in wrong.items():
        found = checked(sound, repeat)[name]
        assert found.status == "broken" and "first broken: eager, concurrency-2" in found.found
        judged = {gate.id: gate for gate in gates(params.load("demo"), made.results(identities=(found,)))}
        assert judged["identities"].status == "fail" and found.statement in judged["identities"].found


def test_every_gate_can_be_other_than_pass():
    sound = {
        gate.id: gate.status for gate in gates(params.load("demo"), made.results(levels=(made.level("eager", 1),)))
    }
    assert set(sound.values()) == {"pass"}
    odd = made.level("eager", 1, failed=2, failed_first="HTTP 500: x", drifts=True, drift=0.5, client_bound=True)
    judged = {gate.id: gate for gate in gates(params.load("demo"), made.results(levels=(odd,), rates=()))}
    assert judged["requests_failed"].status == "fail" and "HTTP 500: x" in judged["requests_failed"].found
    assert judged["drift"].status == judged["client_bound"].status == "warn"
    assert "drifts by +50%" in tables.levels(made.document(levels=(odd,))).markdown()


def test_the_search_brackets_and_bisects(monkeypatch):
    limit = {"compiled": 37.0, "eager": 20.0}
    targets = [type("Target", (), {"mode": mode})() for mode in limit]

    class Loads:
        rates = [made.rate(mode, 25.0, slo_attainment=1.0) for mode in limit]
        job = type("Job", (), {"params": params.load("demo")})()

        def turn(self, index):
            return targets

        def poisson(self, target, rate, name, repeat):
            pass

        def rate(self, target, name, rate, share):
            run = made.rate(target.mode, rate).runs[0]
            share = 1.0 if rate <= limit[target.mode] else 0.5
            return made.rate(target.mode, rate, runs=(run.model_copy(update={"slo_attainment": share}),))

    loads = Loads()
    loads.targets = targets
    loads.rates = [loads.rate(target, "", 25.0, None) for target in targets]
    found = search.search(loads, params.schema.SloSearchParams(steps=6), {"compiled": 50.0, "eager": 50.0})
    for mode, truth in limit.items():
        assert found[mode].request_rate <= truth <= found[mode].request_rate_high
        assert found[mode].request_rate_high - found[mode].request_rate < 2
    shown = rate_tables.highest_rate(made.document(slo_search=found, slo_search_why=None)).markdown()
    assert "36.72" in shown or "36.7" in shown


def test_servers_take_turns(monkeypatch):
    demo = params.load("demo", {"serving.repeats": 2})
    asked: list[tuple[str, int, int]] = []
    job = type("Job", (), {"params": demo})()
    targets = [type("Target", (), {"mode": mode})() for mode in ("compiled", "eager")]
    loads = load.Loads(job, targets, None)
    monkeypatch.setattr(loads, "_closed_loop", lambda target, at, repeat: asked.append((target.mode, at, repeat)))
    monkeypatch.setattr(loads, "_level", lambda target, at: made.level(target.mode, at))
    monkeypatch.setattr(loads, "poisson", lambda target, rate, name, repeat: asked.append((target.mode, 0, repeat)))
    monkeypatch.setattr(loads, "rate", lambda target, name, rate, share: made.rate(target.mode, rate))
    loads.measure()
    assert [mode for mode, _, _ in asked[:4]] == ["compiled", "eager", "eager", "compiled"]
    second = [mode for mode, at, repeat in asked if repeat == 1 and at == demo.serving.concurrency[0]]
    assert second == ["eager", "compiled"]  # what came first in one repeat comes second in the next
    assert len(asked) == 2 * demo.serving.repeats * (len(demo.serving.concurrency) + len(demo.serving.rate_shares))


def test_arrivals_are_random_and_as_many_as_offered():
    times = load.arrivals(500, 50.0, 0, 1)
    assert times[0] == 0 and len(times) == 500 and times[-1] == pytest.approx(10, rel=0.01)
    assert np.std(np.diff(times)) == pytest.approx(np.mean(np.diff(times)), rel=0.2)
    assert times != load.arrivals(500, 50.0, 0, 2)


def test_the_first_results_are_read_in_todays_form():
    found = read(ROOT / "tests" / "data" / "report-0.1.0" / "results" / "serving.json", "serving", Results)
    kept = json.loads((ROOT / "tests" / "data" / "report-0.1.0" / "results" / "serving.json").read_text())
    assert found.data.levels[0].mean_ttft_ms == kept["data"]["levels"][0]["mean_ttft_ms"]
    assert set(_keys(kept["data"])) <= set(_keys(found.data.model_dump())) | {"forked"}
    for shown in (tables.levels, tables.rates, tables.intervals, tables.server, rate_tables.highest_rate):
        page = shown(found)
        assert page.source if isinstance(page, Prose) else page.markdown()


def _keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _keys(item)


def test_tables_show_what_few_repeats_do_not_say():
    shown = tables.levels(made.document()).markdown()
    assert "Every request: raw/serving-SERVER-concurrency-N.json." in shown
    assert "One run per point, so no interval." in shown and "without ramp and cool-down" in shown
    whole = made.document()
    assert "n/a" in tables.intervals(whole).markdown()
    bare = {"intervals": None, "intervals_why": "two runs", "percentile_intervals": {}}
    points = {key: tuple(p.model_copy(update=bare) for p in getattr(whole.data, key)) for key in ("levels", "rates")}
    whole.data = whole.data.model_copy(update=points)
    none = tables.intervals(whole)
    assert isinstance(none, Prose) and none.source.startswith("95 % intervals: none. ") and "two runs" in none.source


def test_requests_that_move_in_waves_are_counted_by_their_share_in_the_window():
    """Four streams in lockstep, each answer a second: four requests per second, wherever the window's edges are."""
    waves = [made.observation(float(wave), 0.1, [0.1] * 9) for wave in range(4) for _ in range(4)]
    found = point.figures([made.repeat(waves, 4)], SLO)
    assert found["duration"] == pytest.approx(2)  # waves 1 and 2: of wave 3 only the sending is in it
    assert found["request_throughput"] == pytest.approx(4, rel=0.06)
    assert found["output_throughput"] / found["request_throughput"] == pytest.approx(waves[0].output_tokens)
    assert found["request_goodput"] <= found["request_throughput"]
