"""Several replicas behind one URL: what each answered, as the router or a data parallel server counts it."""

from __future__ import annotations

import pytest
import serving_samples as made
from evalpress import params
from evalpress.core.errors import UserError
from evalpress.engine.endpoint import Endpoint
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import rate_tables, replicas, section
from pretended_router import routing
from pretended_server import serving

RECORDED = """# HELP vllm_router_processed_requests_total Total requests processed
vllm_router_policy_decisions_total{policy="round_robin",worker="http://127.0.0.1:42763"} 9
vllm_router_processed_requests_total{worker="http://127.0.0.1:42763"} 3
vllm_router_processed_requests_total{worker="http://127.0.0.1:36997"} 1
vllm_router_requests_total{route="/v1/completions"} 5
"""
"""Of vllm-router 0.1.17."""
ENGINES = """vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 2.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 4.0
vllm:request_success_total{engine="1",finished_reason="length",model_name="m"} 2.0
"""


def test_a_cluster_behind_a_router_is_measured_and_each_replica_counted(tmp_path):
    demo = params.load("demo")
    with serving("usage") as one, serving("usage") as two, routing([one, two]) as url:
        small = {"base_url": url, "concurrency": (1, 2), "rate_shares": (0.5,), "repeats": 1, "rate_seconds": 0.1}
        small |= {"requests_per_level": 4, "input_len": 8, "output_len": 4, "metrics_url": f"{url}/metrics"}
        set_ = demo.model_copy(update={"serving": demo.serving.model_copy(update=small)})
        found = Job(by_name("serving"), set_, tmp_path, "always").run(section.measure).data
    assert found.replicas is not None and {each.name for each in found.replicas} == {one, two}
    assert sum(each.requests for each in found.replicas) > 20
    assert all(each.share == pytest.approx(0.5, abs=0.05) for each in found.replicas)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RECORDED, {"http://127.0.0.1:42763": 3.0, "http://127.0.0.1:36997": 1.0}),
        (ENGINES, {"engine 0": 6.0, "engine 1": 2.0}),
        (ENGINES.splitlines()[0], {}),
        ("<html>", {}),
        ('vllm_router_processed_requests_total{worker="a"} NaN?', {}),
        (None, {}),
    ],
)
def test_counters_are_read_as_routers_and_engines_give_them(text, expected, monkeypatch):
    monkeypatch.setattr(Endpoint, "text", lambda self, path, timeout_s=10.0: text)
    assert replicas.counted(params.load("demo"), Endpoint("http://127.0.0.1:1")) == expected


def test_the_share_is_that_of_the_section_and_not_of_what_came_before():
    found, _ = replicas.shares({"a": 10.0, "b": 0.0}, {"a": 13.0, "b": 1.0})
    assert [(one.name, one.requests, one.share) for one in found or ()] == [("a", 3, 0.75), ("b", 1, 0.25)]
    assert replicas.shares({}, {})[0] is None and "serving.metrics_url" in str(replicas.shares({}, {})[1])
    assert replicas.shares({"a": 1.0}, {"a": 1.0}) == (None, "the counters did not change during the load")
    shown = rate_tables.replicas(made.document(replicas=found, replicas_why=None)).markdown()
    assert "75" in shown and "a" in shown
    assert "invented" in rate_tables.replicas(made.document(replicas=None, replicas_why="invented")).markdown()


def test_the_servers_key_goes_to_no_other_host(monkeypatch):
    seen = []
    monkeypatch.setattr(Endpoint, "text", lambda self, path, timeout_s=10.0: seen.append((self.base_url, self.api_key)))
    demo = params.load("demo")
    for url in ("http://router:29000/metrics", "http://server:8000/metrics"):
        serving_ = demo.serving.model_copy(update={"base_url": "http://server:8000", "metrics_url": url})
        replicas.counted(demo.model_copy(update={"serving": serving_}), Endpoint("http://server:8000", "secret"))
    assert seen == [("http://router:29000", None), ("http://server:8000", "secret")]


def test_an_unusable_metrics_url_is_refused():
    with pytest.raises(UserError, match="metrics_url: found 'router:29000'"):
        params.load("demo", {"serving.metrics_url": "router:29000"})
