"""An engine that fails is freed at once and never used again; its reason is what every later caller gets."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
from evalpress import engine, params
from evalpress.core.errors import MeasurementError
from evalpress.core.units import GIB
from evalpress.engine import Engine, Sampling, core, freeing, loader, start

DEMO = params.load("demo")


class FakeLlm:
    """vLLM's object as far as the engine package touches it; `generate` raises what it was given."""

    def __init__(self, error: BaseException | None = None):
        self.error, self.asked, self.ended = error, 0, False
        self.llm_engine = self.vllm_config = self.model_config = self
        self.engine_core = self

    def generate(self, *_, **__):
        self.asked += 1
        if self.error:
            raise self.error
        return []

    def get_vocab_size(self):
        return 2**19

    def shutdown(self):
        self.ended = True
        raise RuntimeError("a broken core may not even end in order")


@pytest.fixture
def starts(monkeypatch):
    """Engines whose loading is replaced; yields the list of fake ones, in order of their start."""
    made: list[FakeLlm] = []
    errors: dict[str, BaseException | None] = {}

    def load(p, mode, changed):
        if isinstance(errors.get("load"), BaseException):
            raise errors["load"]
        made.append(FakeLlm(errors.get(mode)))
        return Engine(made[-1], mode, 64, {}, {}, {}, {"logprobs_mode": "raw_logprobs"})

    monkeypatch.setattr(loader.start, "load", load)
    monkeypatch.setattr(loader.memory_plan, "require_one", lambda p: None)
    monkeypatch.setattr(loader, "_loaded", {})
    monkeypatch.setattr(loader, "_failed", {})
    monkeypatch.setattr(core, "_sampling", lambda *_, **__: None)
    monkeypatch.setattr(freeing, "empty_caches", lambda: None)
    monkeypatch.setattr(freeing.vllm_compat, "other_engines_kept", contextlib.nullcontext)  # imports vLLM
    return made, errors


CALLS = {
    "generate": lambda e: e.generate([[1, 2]], Sampling(max_tokens=1)),
    "logits": lambda e: e.logits([1, 2], [0, 1]),
    "log_likelihoods": lambda e: e.log_likelihoods([([1], [2])]),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_exception_of_vllm_frees_the_engine_and_is_told_to_every_later_section(starts, call):
    made, errors = starts
    errors["eager"] = IndexError("tuple index out of range\nwith a second line")
    loaded = engine.get(DEMO, "eager")
    told = "the eager engine of Evalpress demo model failed: IndexError: tuple index out of range"
    with pytest.raises(MeasurementError) as first:
        CALLS[call](loaded)
    assert str(first.value) == told
    assert made[0].ended
    for later in (lambda: engine.get(DEMO, "eager"), lambda: CALLS[call](loaded), lambda: loaded.config):
        with pytest.raises(MeasurementError, match="IndexError: tuple index out of range") as again:
            later()
        assert "\n" not in str(again.value)
    assert (len(made), made[0].asked) == (1, 1)
    assert engine.get(DEMO, "compiled").mode == "compiled"  # the other mode's engine is another one


def test_a_load_that_failed_is_not_tried_again(starts):
    made, errors = starts
    errors["load"] = NotImplementedError("no such kernel\non this platform")
    for _ in range(2):
        with pytest.raises(MeasurementError, match=r"did not load .*: NotImplementedError: no such kernel") as told:
            engine.get(DEMO, "eager")
        errors["load"] = None
        assert "\n" not in str(told.value)
    assert made == []


def test_a_fresh_engine_that_fails_leaves_the_kept_one(starts):
    made, errors = starts
    kept = engine.get(DEMO, "eager")
    errors["eager"] = ValueError("broken")
    with pytest.raises(MeasurementError, match="ValueError: broken"), engine.fresh(DEMO, "eager", seed=1) as other:
        CALLS["generate"](other)
    assert engine.get(DEMO, "eager") is kept
    assert [llm.ended for llm in made] == [False, True]


def test_an_interrupt_drops_the_engine_and_it_is_loaded_again(starts):
    made, errors = starts
    errors["eager"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        CALLS["generate"](engine.get(DEMO, "eager"))
    assert made[0].ended
    errors["eager"] = None
    assert engine.get(DEMO, "eager").generate([], Sampling(max_tokens=1)) == []


def test_a_mistake_of_the_caller_does_not_end_the_engine(starts):
    made, _ = starts
    loaded = engine.get(DEMO, "eager")
    with pytest.raises(MeasurementError, match="prompt 1 has 64 tokens"):
        loaded.generate([[1] * 64], Sampling(max_tokens=1))
    assert not made[0].ended


def test_a_devices_memory_is_awaited_and_a_lack_is_one_line():
    free = iter([30 * GIB, 10 * GIB, 20 * GIB, 30 * GIB - 1])
    waits: list[float] = []
    memory = freeing.DeviceMemory(lambda: next(free), now=lambda: len(waits) * 1.0, sleep=waits.append)
    memory.wait_until_back()  # no engine has been loaded yet
    memory.note_before_load()
    memory.wait_until_back()
    assert len(waits) == 2
    short = freeing.DeviceMemory(
        lambda: 10 * GIB if waits else 30 * GIB, now=lambda: len(waits) * 40.0, sleep=waits.append
    )
    waits.clear()
    short.note_before_load()
    waits.append(0.0)
    with pytest.raises(MeasurementError, match=r"10\.0 GiB free 60 s after the last engine ended, 30\.0 GiB before"):
        short.wait_until_back()


def test_the_fields_of_an_engine_do_not_hold_a_test_hook():
    assert "slowdown_s" not in {field.name for field in dataclasses.fields(Engine)}
    assert "test_slowdown_s" not in params.Params.model_json_schema()["$defs"]["BenchmarkParams"]["properties"]


def test_a_kernel_that_the_build_lacks_is_named():
    error = AttributeError("'_OpNamespace' '_C' object has no attribute 'selective_scan_fwd'")
    assert start.one_line(error).startswith("this build of vLLM has no kernel selective_scan_fwd for this platform")
