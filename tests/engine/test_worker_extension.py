"""A sampler that ignores `logprobs_mode`, as vLLM-Ascend's does: its mode is set by name in the worker."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest
from evalpress import engine, params
from evalpress.engine import worker_extension
from evalpress.engine.worker_extension import NAME, SamplerMode

TEXT = "The chemical symbol for water is"


def _worker(**sampler: Any) -> SamplerMode:
    found = SamplerMode()
    found.model_runner = types.SimpleNamespace(sampler=types.SimpleNamespace(**sampler))
    return found


def test_the_mode_is_set_and_the_former_one_told() -> None:
    worker = _worker(logprobs_mode="raw_logprobs")
    assert worker.evalpress_set_logprobs_mode("raw_logits") == "raw_logprobs"
    assert worker.model_runner.sampler.logprobs_mode == "raw_logits"
    assert _worker().evalpress_set_logprobs_mode("raw_logits") is None


def test_only_where_the_platform_needs_it_and_the_set_has_none_of_its_own() -> None:
    assert worker_extension.keywords("ascend", {}) == {"worker_extension_cls": NAME}
    assert worker_extension.keywords("ascend", {"worker_extension_cls": "own.Class"}) == {}
    assert worker_extension.keywords("cpu", {}) == {}


@pytest.mark.parametrize(("had", "said"), [("raw_logprobs", "it had raw_logprobs"), ("raw_logits", None)])
def test_what_was_changed_is_said(had: str, said: str | None) -> None:
    worker = _worker(logprobs_mode=had)
    llm = types.SimpleNamespace(collective_rpc=lambda name, args: [getattr(worker, name)(*args)])
    given = {"logprobs_mode": "raw_logits", "worker_extension_cls": NAME}
    found = worker_extension.set_mode(llm, given)
    assert found is None if said is None else said in str(found)
    assert worker_extension.set_mode(llm, {"logprobs_mode": "raw_logits"}) is None


@pytest.mark.engine
@pytest.mark.slow
def test_raw_logits_from_a_sampler_that_ignores_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    demo = params.load("demo")
    engine.import_vllm(demo)
    from vllm.v1.worker import gpu_model_runner

    right = gpu_model_runner.Sampler
    monkeypatch.setattr(gpu_model_runner, "Sampler", lambda *_, **__: right())  # as vLLM-Ascend makes its own
    with engine.fresh(demo, "eager") as loaded:
        ids = loaded.tokenize(TEXT)
        ignored = loaded.logits(ids, [len(ids) - 1])
    with engine.fresh(demo, "eager", worker_extension_cls=NAME) as loaded:
        assert "it had raw_logprobs" in str(loaded.sampler_mode)
        found = loaded.logits(ids, [len(ids) - 1])
    engine.release()
    assert np.log(np.exp(ignored.astype(np.float64)).sum()) == pytest.approx(0, abs=1e-3)
    assert abs(np.log(np.exp(found.astype(np.float64)).sum())) > 1
    assert np.ptp(found - ignored) < 1e-3  # one shift for the whole row: the same distribution
