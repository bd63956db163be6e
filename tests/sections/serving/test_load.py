"""Saturation, turns and HTTP's cost from points that are known."""

from __future__ import annotations

import shutil

import pytest
from blocks import block, request
from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import http_cost, identities, load, section, servers
from evalpress.sections.serving import tables as show
from evalpress.sections.serving.servers import Target
from scipy.stats import ttest_ind


def level(mode, concurrency, output, bound=False):
    keys = {"output_throughput": output, "request_throughput": output / 10, "client_bound": bound}
    return {"mode": mode, "concurrency": concurrency, "mean_ttft_ms": 1.0, "mean_tpot_ms": 1.0} | keys


def test_saturation_is_the_highest_point_that_the_client_kept_up_with():
    points = [level("eager", 1, 100), level("eager", 4, 300), level("eager", 16, 320), level("compiled", 1, 200)]
    points += [level("compiled", 4, 500), level("compiled", 16, 900, bound=True)]
    found = load.saturation(points)
    assert (found["eager"]["concurrency"], found["eager"]["reached"]) == (16, True)
    assert (found["compiled"]["concurrency"], found["compiled"]["reached"]) == (4, False)
    assert found["eager"]["request_throughput"] == 32
    assert found["compiled"]["reached_why"] == "not yet"


def test_a_full_scheduler_is_saturated_whatever_the_last_step_brought():
    points = [level("eager", 1, 100), level("eager", 8, 500), level("eager", 16, 900)]
    assert not load.saturation(points)["eager"]["reached"]
    assert not load.saturation(points, 32)["eager"]["reached"]
    found = load.saturation(points, 16)["eager"]
    assert found["reached"]
    assert "runs 16 at a time" in found["reached_why"]
    bound = [*points[:2], level("eager", 16, 900, bound=True)]
    assert not load.saturation(bound, 16)["eager"]["reached"]


def point(**changed):
    whole = {"mode": "eager", "max_concurrency": 4, "num_prompts": 3, "completed": 3, "failed": 0, "duration": 2.0}
    whole |= {"output_len": 8, "total_output_tokens": 24, "output_throughput": 12.0, "request_throughput": 1.5}
    return whole | {"request_goodput": 1.0, "mean_ttft_ms": 5.0, "mean_e2el_ms": 50.0} | changed


def test_identities_hold_for_every_point():
    assert {item["status"] for item in identities.check([point(), point(request_goodput=None)])} == {"ok"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"output_throughput": 12.1}, "output_throughput × duration"),
        ({"completed": 2, "total_output_tokens": 16, "output_throughput": 8.0}, "completed"),
        ({"total_output_tokens": 20, "output_throughput": 10.0}, "output_len"),
        ({"mean_ttft_ms": 51.0}, "mean TTFT"),
        ({"request_goodput": 1.6}, "goodput"),
    ],
)
def test_a_broken_identity_is_named_with_its_point(changed, told):
    with pytest.raises(MeasurementError, match=f"{told}.*1 of 2, first eager, 4"):
        identities.check([point(), point(**changed)])


def test_a_client_that_never_keeps_up_leaves_the_single_stream():
    found = load.saturation([level("eager", 1, 100, bound=True), level("eager", 4, 300, bound=True)])
    assert (found["eager"]["concurrency"], found["eager"]["reached"]) == (1, False)


def test_servers_take_turns(monkeypatch):
    asked, warmed = [], set()

    def _point(job, target, found, name):
        asked.append(name)
        warmed.add(found.get("warmups"))
        return level(target.mode, 1, 9)

    monkeypatch.setattr(load, "_point", _point)
    targets = [Target(mode, "http://", "m", {}) for mode in ("compiled", "eager")]
    demo = params.load("demo")
    kept = {"start_times": [5.0, 6.0, 7.0, 7.5], "ttfts": [1.0, 1.0, 0.0, 0.1], "output_lens": [3, 3, 0, 3]}
    kept["itls"] = [[0.2, 0.3], [0.5, 0.5], [], [0.1, 0.1]]  # answered at 6.5 and 8; failed; answered at 7.8
    job = type("Job", (), {"params": demo, "read_raw": staticmethod(lambda name: kept)})()
    levels, rates = load.points(job, targets)
    assert {(point["arrivals_s"], point["answered_by_last_arrival"]) for point in rates} == {(2.5, 0.25)}
    assert [point["mode"] for point in levels[:4]] == ["compiled", "eager", "eager", "compiled"]
    assert len(levels) == 2 * len(demo.serving.concurrency) and len(rates) == 2 * len(demo.serving.rate_shares)
    assert warmed == {4, 8, None}  # a single stream gets four requests of warm-up, random arrivals none
    assert asked[-1] == f"rate-{demo.serving.rate_shares[-1]:g}" and asked[0] == "concurrency-1"


def test_where_one_engine_is_resident_servers_come_one_after_the_other():
    card = params.load("qwen2-0.5b-ascend910")
    assert servers.groups(card) == [("compiled",), ("eager",)]
    assert servers.groups(params.load("demo")) == [("compiled", "eager")]


def test_http_cost_is_the_served_figure_minus_the_one_in_process():
    served = {"mode": "eager", "concurrency": 1, "output_throughput": 50.0}
    served |= {"mean_ttft_ms": 9.0, "mean_tpot_ms": 3.0, "mean_e2el_ms": 15.0}
    served |= {"median_ttft_ms": 8.5, "median_tpot_ms": 3.0, "median_e2el_ms": 15.0}
    kept = {"ttfts": [0.008, 0.010, 0.0], "itls": [[0.003, 0.003], [0.002, 0.004], []], "output_lens": [3, 3, 0]}
    job = type("Job", (), {"read_raw": staticmethod(lambda name: {"eager-concurrency-1": kept}[name])})()
    inside = {"eager": [block(1.0, request(0.003, 0.007, 3), request(0.005, 0.009, 3))]}
    (row,) = http_cost.compare(job, [served, served | {"concurrency": 4}], inside)
    assert row["added_ttft_ms"] == pytest.approx(5.0)
    assert row["added_ttft_ms_median"] == pytest.approx(8.5 - 4.0)
    assert row["added_tpot_ms"] == pytest.approx(1.0)
    assert row["added_e2el_ms"] == pytest.approx(7.0)
    expected = ttest_ind([8.0, 10.0], [3.0, 5.0], equal_var=False).confidence_interval(0.95)
    assert (row["added_ttft_ms_low"], row["added_ttft_ms_high"]) == pytest.approx((expected.low, expected.high))
    alone = {"eager": [block(1.0, request(0.003, 0.007, 3))]}
    (row,) = http_cost.compare(job, [served], alone)
    assert row["added_e2el_ms_low"] is None and row["added_e2el_ms_high_why"] == "fewer than two requests"


def test_results_from_before_an_interval_was_kept_are_shown_with_gaps():
    row = {"mode": "eager", "added_ttft_ms": 5.0, "added_tpot_ms": 1.0, "added_e2el_ms": 7.0}
    row |= {key: {"mean_ttft_ms": 9.0, "mean_tpot_ms": 3.0, "mean_e2el_ms": 15.0} for key in ("served", "in_process")}
    shown = show.http_cost({"data": {"http_cost": [row]}}).markdown()
    assert shown.count("n/a (1)") == 6 and "(1) not recorded" in shown


def test_points_are_shown_by_load_and_not_in_the_order_of_their_turns():
    turns = [("compiled", 8), ("eager", 8), ("eager", 32), ("compiled", 32)]
    levels = [level(mode, at, 50.0) | {"completed": index} for index, (mode, at) in enumerate(turns)]
    for kind, load_key in (("levels", "concurrency"), ("rates", "share_of_saturation")):
        points = [point | {load_key: point["concurrency"]} for point in levels]
        shown = show._ordered({"data": {"servers": {"compiled": {}, "eager": {}}, kind: points}}, kind)
        assert [point["completed"] for point in shown] == [0, 1, 3, 2]


def test_engines_are_asked_only_where_memory_holds_them_beside_the_servers():
    job = type("Job", (), {"params": params.load("demo")})()
    both = [Target("compiled", "http://", "m", {}, True), Target("eager", "http://", "m", {}, False)]
    assert section._loaded(job, both) == ("compiled",)


def test_nothing_is_imported_ahead_where_servers_cannot_live_beside_engines(monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(servers, "import_vllm", lambda params: asked.append("imported"))
    monkeypatch.setattr(servers.forked, "keep", lambda: asked.append("kept"))
    servers.prepare("qwen2-0.5b-cuda", "reports")
    assert asked == []
    servers.prepare("demo", "reports")
    assert asked == ["imported", "kept"]


def test_a_set_can_ask_for_servers_started_by_the_command(monkeypatch, tmp_path):
    asked: list[str] = []
    monkeypatch.setattr(servers, "import_vllm", lambda params: asked.append("imported"))
    monkeypatch.setattr(servers.forked, "keep", lambda: asked.append("kept"))
    for name in ("base", "demo"):
        shutil.copy(params.find(name), tmp_path)
    (tmp_path / "plain.yaml").write_text("extends: demo\nserving: {fork: false}\n")
    servers.prepare(str(tmp_path / "plain.yaml"), "reports")
    assert asked == []


def test_a_server_that_cannot_start_leaves_no_other_behind(monkeypatch, tmp_path):
    events: list[str] = []

    class Launched:
        def stop(self) -> None:
            events.append("stopped")

    def launch(job, mode, index):
        if index:
            raise MeasurementError("no port is free")
        events.append("started")
        return Launched()

    monkeypatch.setattr(servers, "_launch_one", launch)
    with pytest.raises(MeasurementError, match="no port"):
        servers._launch(Job(by_name("serving"), params.load("demo"), tmp_path, "always"), ("compiled", "eager"))
    assert events == ["started", "stopped"]
