"""What HTTP adds to a latency: figures of both sides, and a machine whose speed changes meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import serving_samples as made
from evalpress import params
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import http_cost, load, tables
from evalpress.sections.serving.prompts import Prompts
from evalpress.sections.serving.section import _no_http_cost
from scipy.stats import ttest_ind


def compared(served, inside):
    repeat = made.repeat(served, 1)
    level = made.level("eager", 1, [repeat])
    (row,) = http_cost.compare([level], {("eager", "concurrency-1"): [repeat]}, {"eager": inside})
    return row, [1e3 * one.ttft_s for one in repeat.window.counted]


def test_http_cost_is_the_served_figure_minus_the_one_in_process():
    served = [made.observation(i, ttft, [0.003, 0.003]) for i, ttft in enumerate((0.05, 0.008, 0.010, 0.009))]
    inside = [made.observation(0, 0.003, [0.004]), made.observation(1, 0.005, [0.004])]
    row, counted = compared(served, inside)
    assert row.added_ttft_ms == pytest.approx(np.mean(counted) - 4)
    expected = ttest_ind(counted, [3.0, 5.0], equal_var=False).confidence_interval(0.95)
    assert (row.added_ttft_ms_low, row.added_ttft_ms_high) == pytest.approx((expected.low, expected.high))
    assert row.in_process.output_throughput == pytest.approx(sum(o.output_tokens for o in inside) / 0.016)
    row, _ = compared(served, [made.observation(0, 0.003, []), made.observation(1, 0.003, [])])
    assert row.added_tpot_ms is None and row.in_process.mean_tpot_ms is None and row.added_ttft_ms is not None
    assert "n/a" in tables.http_cost(made.document(http_cost=(row,), http_cost_why=None)).markdown()


class Slowing:
    """A machine on which each request takes 10 ms longer than the one before, whichever side sends it."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def ttft(self, side: str) -> float:
        self.sent.append(side)
        return 1.0 + 0.01 * len(self.sent)

    def generate(self, prompts, sampling):
        ttft = self.ttft("inside")
        return [SimpleNamespace(timing=SimpleNamespace(ttft=ttft, e2el=ttft + 1.0), token_ids=[1, 2])]


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_a_machine_that_becomes_slower_adds_nothing_to_what_http_costs(monkeypatch, tmp_path, repeats):
    machine, demo = Slowing(), params.load("demo")
    serving = demo.serving.model_copy(update={"requests_per_level": 12, "repeats": repeats, "concurrency": (1,)})
    job = Job(by_name("serving"), demo.model_copy(update={"serving": serving}), tmp_path, "always")
    target = SimpleNamespace(mode="eager", own=True, beside_engines=True)
    monkeypatch.setattr(http_cost.engine, "get", lambda *_: machine)
    inside = http_cost.Inside(job, [target], Prompts.of(job.params))
    served = []
    for repeat in range(repeats):
        with inside.around("eager", repeat):
            machine.ttft("http")  # the first wave, which is not counted
            served += [machine.ttft("http") for _ in range(12)]
    assert machine.sent.count("inside") == 12 + 2 * repeats  # a warm-up before every part
    means = [np.mean(served), np.mean([one.ttft_s for one in inside.found["eager"]])]
    assert abs(means[0] - means[1]) < 0.011  # one after the other, they would differ by 0.13 s or more
    with inside.around("compiled", 0):  # whose engine does not fit beside the servers
        assert "compiled" not in inside.found


def test_the_context_is_for_one_request_at_a_time_only(monkeypatch, tmp_path):
    asked = []

    def refused(*_):
        raise ConnectionError

    monkeypatch.setattr(load.client, "closed_loop", refused)
    target = SimpleNamespace(mode="eager", own=False, endpoint=None, offers=SimpleNamespace(name="m", by_vllm=True))
    job = Job(by_name("serving"), params.load("demo"), tmp_path, "always")
    loads = load.Loads(job, [target], Prompts.of(job.params), lambda *given: asked.append(given) or load.nullcontext())
    for concurrency in (1, 8):
        with pytest.raises(ConnectionError):
            loads._closed_loop(target, concurrency, 1)
    assert asked == [("eager", 1)]


def test_without_a_single_stream_the_reason_is_its_own():
    demo = params.load("demo")
    assert "released" in _no_http_cost(demo)
    many = demo.model_copy(update={"serving": demo.serving.model_copy(update={"concurrency": (8,)})})
    assert _no_http_cost(many) == "no level of one request at a time (serving.concurrency)"
