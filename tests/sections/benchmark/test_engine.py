"""The benchmark with real engines: a planted slow-down, and two ranks."""

from __future__ import annotations

import time

import pytest
from commands import evalpress
from evalpress import params
from evalpress.engine import Engine
from evalpress.params import Params, Workload
from evalpress.sections.benchmark import section
from evalpress.sections.job import Job, read_results
from evalpress.sections.registry import by_name

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def plant(monkeypatch: pytest.MonkeyPatch, mode: str, seconds: float) -> Params:
    """The demo set with one short workload, and a sleep before every request of one mode's engine."""
    given = Engine.generate

    def slow(loaded, prompts, sampling):
        if loaded.mode == mode:
            time.sleep(seconds * len(prompts))
        return given(loaded, prompts, sampling)

    monkeypatch.setattr(Engine, "generate", slow)
    demo = params.load("demo")
    changes = {
        "blocks": 5,
        "workloads": {"short": Workload(num_prompts=2, input_len=8, output_len=2)},
        "scaling": None,
        "ceilings": False,
    }
    return demo.model_copy(update={"benchmark": demo.benchmark.model_copy(update=changes)})


@pytest.mark.parametrize(("mode", "slower"), [("compiled", True), ("eager", False)])
def test_a_planted_slow_down_is_found_with_the_right_sign(tmp_path, monkeypatch, mode, slower):
    found = section.measure(Job(by_name("benchmark"), plant(monkeypatch, mode, 1.0), tmp_path, "always"))
    ratio = found.comparison["short"]["output_throughput"]
    assert ratio.n_pairs == 5
    assert ratio.ci_high < 1 if slower else ratio.ci_low > 1
    assert found.identical_tokens["short"].of == 10
    if slower:
        assert found.break_even.tokens is None and found.break_even.tokens_why.startswith("never")


def test_two_ways_of_compiling_are_modes_of_their_own_beside_eager(tmp_path):
    few = params.load("demo-variants")
    changes = {"blocks": 3, "workloads": {"short": Workload(num_prompts=4, input_len=16, output_len=8)}}
    changes |= {"scaling": None, "ceilings": False}
    few = few.model_copy(update={"benchmark": few.benchmark.model_copy(update=changes)})
    found = section.measure(Job(by_name("benchmark"), few, tmp_path, "always"))
    assert list(found.modes) == ["eager", "inductor", "dynamo"]
    assert [mode.compilation.backend for mode in found.modes.values()] == ["none", "inductor", "eager"]
    assert list(found.pairs) == ["inductor", "dynamo"] and found.comparison == {}
    for pair in found.pairs.values():
        assert pair.comparison["short"]["output_throughput"].n_pairs == 3
        assert pair.identical_tokens["short"].of == 12


FEW = (
    "skip.evidence=of interest is the benchmark",
    "benchmark.blocks=2",
    "benchmark.workloads.throughput={num_prompts: 4, output_len: 8}",
    "benchmark.workloads.prefill={num_prompts: 1, output_len: 2}",
    "benchmark.workloads.decode.output_len=16",
    "benchmark.workloads.e2e_64=null",
)


def test_two_ranks_are_measured_and_named(tmp_path):
    few = [word for one in FEW for word in ("--param", one)]
    done = evalpress("report", "--set", "demo-tp2", "--reports-dir", str(tmp_path), *few)
    assert done.returncode in (0, 1), done.stderr
    folder = tmp_path / "demo-tp2"
    data = read_results(folder / "results" / "benchmark.json", "benchmark").data
    assert data.topology.tensor_parallel_size == 2
    assert {item.status for item in data.identities} == {"ok"}
    assert {mode.memory.kv_cache_tokens for mode in data.modes.values()} == {2**18}  # half of a token on each
    assert data.pairing.startswith("one engine after the other")
    assert all(w.completed > 0 for mode in data.modes.values() for w in mode.workloads.values())
    assert "tensor parallel size 2" in (folder / "report.md").read_text(encoding="utf-8")
