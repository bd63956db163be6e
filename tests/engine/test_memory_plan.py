"""What is planned side by side: from weights, KV cache and what host and control groups leave."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.core.units import GIB
from evalpress.engine import loader, memory_plan
from evalpress.platforms import host
from evalpress.sections.alignment import section
from evalpress.sections.serving import servers

DEMO = params.load("demo")


@pytest.fixture(autouse=True)
def nothing_decided(monkeypatch):
    monkeypatch.setattr(memory_plan, "_decided", {})
    monkeypatch.setattr(memory_plan, "_servers_decided", {})


def shape(monkeypatch, free_gib: float, weights_gib: float = 1.0, **engine) -> params.Params:
    """The demo set with a model of that many GiB in bfloat16, on a host with that much left for this process."""
    sized = memory_plan.Sizes(int(weights_gib * GIB), int((engine.get("kv_cache_gib") or 0.125) * GIB))
    monkeypatch.setattr(memory_plan, "sizes", lambda p: sized if p.platform.backend == "cpu" else None)
    monkeypatch.setattr(memory_plan, "budget_bytes", lambda: int(free_gib * GIB))
    monkeypatch.setattr(memory_plan, "available_bytes", lambda: int(free_gib * GIB))
    return DEMO.model_copy(update={"engine": DEMO.engine.model_copy(update=engine)})


def test_engines_are_loaded_together_only_where_both_fit(monkeypatch):
    # Two engines: 2 × (2 × 1.0 + 2.0) + 3.0 = 11.0 GiB
    assert memory_plan.engines_together(shape(monkeypatch, 11.1, kv_cache_gib=2.0))
    memory_plan._decided.clear()
    p = shape(monkeypatch, 10.9, kv_cache_gib=2.0)
    assert not memory_plan.engines_together(p)
    assert memory_plan.pairing(p).startswith("one engine after the other (2 engines need about 11.0 GiB, 10.9 GiB are")
    memory_plan._decided.clear()
    assert memory_plan.engines_together(shape(monkeypatch, 10.9, kv_cache_gib=2.0, modes=("eager",)))


def test_a_decision_stays_for_the_process(monkeypatch):
    p = shape(monkeypatch, 4.0)
    assert not memory_plan.engines_together(shape(monkeypatch, 4.0))
    shape(monkeypatch, 400.0)
    assert not memory_plan.engines_together(p)


def test_a_stated_engine_resident_and_devices_are_not_planned(monkeypatch):
    assert memory_plan.pairing(shape(monkeypatch, 100.0, resident="one")).startswith("one engine after the other: ")
    memory_plan._decided.clear()
    p = shape(monkeypatch, 0.1)
    device = p.model_copy(update={"platform": p.platform.model_copy(update={"backend": "ascend"})})
    assert memory_plan.engines_together(device)
    memory_plan.require_one(device)


def test_an_engine_that_does_not_fit_is_refused_in_one_line_before_anything_loads(monkeypatch):
    p = shape(monkeypatch, 3.0, kv_cache_gib=2.0)
    monkeypatch.setattr(loader.start, "load", lambda *_: pytest.fail("nothing may be loaded"))
    with pytest.raises(MeasurementError, match=r"needs about 5\.5 GiB .*3\.0 GiB are there.*engine\.kv_cache_gib") as e:
        loader.get(p, "eager")
    assert "\n" not in str(e.value)


def test_servers_count_their_processes(monkeypatch):
    # The demo's two servers: 2 × (0 + 0.125 + 3) = 6.25 GiB
    assert not memory_plan.servers_fit(shape(monkeypatch, 6.2, weights_gib=0.0), 2)
    assert memory_plan.servers_fit(shape(monkeypatch, 6.3, weights_gib=0.0), 2)


def test_a_fresh_engine_needs_room_beside_the_kept_ones(monkeypatch):
    p = shape(monkeypatch, 100.0)
    assert memory_plan.one_more(p, 2)
    shape(monkeypatch, 2.0)
    assert not memory_plan.one_more(p, 2)


def test_an_engine_is_not_loaded_beside_others_where_memory_has_become_short(monkeypatch):
    p = shape(monkeypatch, 100.0)
    assert memory_plan.engines_together(p)
    free = [3 * GIB]
    monkeypatch.setattr(memory_plan, "available_bytes", lambda: free[0])
    eager = SimpleNamespace(mode="eager", llm=None, ended=None)
    monkeypatch.setattr(loader, "_loaded", {"eager": eager})
    monkeypatch.setattr(loader, "release", lambda key=None, why="": loader._loaded.clear())
    monkeypatch.setattr(loader, "_start", lambda p, mode, changed, key: SimpleNamespace(mode=mode))
    loader.get(p, "compiled")
    assert [one.mode for one in loader._loaded.values()] == ["eager", "compiled"]
    loader._loaded.pop(list(loader._loaded)[1])
    free[0] = GIB  # another program took it: an engine needs 2.1 GiB
    loader.get(p, "compiled")
    assert [one.mode for one in loader._loaded.values()] == ["compiled"]


def test_a_reader_holds_the_weights_in_its_own_dtype(monkeypatch):
    p = shape(monkeypatch, 8.0, weights_gib=1.0)
    assert memory_plan.reader_bytes(p, "bfloat16") == GIB + memory_plan.READER_BYTES
    assert memory_plan.reader_bytes(p, "float32") == 2 * GIB + memory_plan.READER_BYTES
    device = p.model_copy(update={"platform": p.platform.model_copy(update={"backend": "cuda"})})
    assert memory_plan.reader_bytes(device, "float32") == 0


def test_engines_make_room_for_the_reference_before_it_is_computed(monkeypatch, tmp_path):
    order = []
    outputs = SimpleNamespace(prefill={}, answers=None)
    monkeypatch.setattr(section, "ask_engines", lambda *_: order.append("engines") or outputs)
    monkeypatch.setattr(section.engine, "reader_bytes", lambda p, dtype: {"float32": 7}[dtype])

    def make_room(needed):
        order.append(needed)
        raise MeasurementError("far enough")

    monkeypatch.setattr(section.engine, "make_room", make_room)
    monkeypatch.setattr(section, "Isolated", lambda module: contextlib.nullcontext())
    monkeypatch.setattr(section.chat, "load_tokenizer", lambda p: None)
    monkeypatch.setattr(section, "tokenised", lambda p, tokenizer: [])
    with pytest.raises(MeasurementError, match="far enough"):
        section.measure(SimpleNamespace(params=DEMO))
    assert order == ["engines", 7]


def test_servers_run_side_by_side_only_where_both_fit_without_this_processs_engines(monkeypatch):
    # 1.5 + 2 × (2 × 0.5 + 0.125 + 3) = 9.75 GiB, where two engines need 5.25
    p = shape(monkeypatch, 9.7, weights_gib=0.5, kv_cache_gib=0.125)
    assert memory_plan.engines_together(p)
    assert not memory_plan.servers_together(p)
    assert servers.groups(p) == [("compiled",), ("eager",)]
    memory_plan._servers_decided.clear()
    assert servers.groups(shape(monkeypatch, 9.8, weights_gib=0.5, kv_cache_gib=0.125)) == [("compiled", "eager")]


def test_a_server_that_does_not_fit_is_refused_in_one_line(monkeypatch):
    p = shape(monkeypatch, 6.9, kv_cache_gib=2.0)
    with pytest.raises(MeasurementError, match=r"a server of .* needs about 7\.0 GiB .*6\.9 GiB are free: lower") as e:
        memory_plan.require_server(p)
    assert "\n" not in str(e.value)
    memory_plan.require_server(shape(monkeypatch, 7.1, kv_cache_gib=2.0))


def test_servers_start_ahead_only_where_the_reference_still_fits(monkeypatch):
    started = []
    monkeypatch.setattr(servers, "open_job", lambda *_, **__: SimpleNamespace(params=p, folder=tmp))
    monkeypatch.setattr(servers, "_launch", lambda job, modes: started.append(modes) or {})
    tmp = "x"
    for free, wanted in ((8.4, 0), (8.5, 1)):  # 2 × 3.19 + 2.06
        p = shape(monkeypatch, free, weights_gib=0.03)
        servers.start_ahead("demo", "reports")
        assert len(started) == wanted


def test_a_model_of_half_a_billion_parameters_is_planned_within_10_gib(monkeypatch):
    # Qwen2-0.5B on CPU: 0.92 GiB of weights, 2 GiB of KV cache.
    p = shape(monkeypatch, 10.0, weights_gib=0.92, kv_cache_gib=2.0)
    assert not memory_plan.engines_together(p)
    assert not memory_plan.servers_together(p)
    assert servers.groups(p) == [("compiled",), ("eager",)]
    one = memory_plan.sizes(p)
    assert one is not None
    kernel = memory_plan.PROCESS_BYTES
    compiling = kernel + one.engine + memory_plan.COMPILE_BYTES
    serving = kernel + one.server
    comparing = kernel + one.engine + memory_plan.reader_bytes(p, "float32")
    assert max(compiling, serving, comparing) < 10 * GIB


def test_sizes_come_from_the_model_and_the_set():
    found = memory_plan.sizes(DEMO)
    assert found is not None
    assert found.weights == 2 * 1_050_752
    assert found.kv_cache == GIB // 8
    assert memory_plan.available_bytes() <= host.total_memory()
