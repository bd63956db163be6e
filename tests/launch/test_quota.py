"""Threads of an engine on a CPU: what the control group's quota allows."""

from __future__ import annotations

import pytest
from evalpress import params
from evalpress.launch import environment

DEMO = params.load("demo")


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    monkeypatch.delenv(environment.THREADS, raising=False)
    monkeypatch.setattr(environment, "_processors", lambda: ((0, 2, 4, 6), 2))


def test_a_quota_below_the_affinity_mask_bounds_the_threads():
    assert environment.engine_env(DEMO)[environment.THREADS] == "0,2"
    assert environment.server_env(DEMO)[environment.THREADS] == "0,2"


def test_no_quota_no_variable(monkeypatch):
    monkeypatch.setattr(environment, "_processors", lambda: ((0, 2), 2))
    assert environment.THREADS not in environment.engine_env(DEMO)


def test_what_the_set_or_the_caller_says_stays(monkeypatch):
    own = DEMO.model_copy(update={"engine": DEMO.engine.model_copy(update={"env": {environment.THREADS: "7"}})})
    assert environment.engine_env(own)[environment.THREADS] == "7"
    monkeypatch.setenv(environment.THREADS, "3")
    assert environment.THREADS not in environment.engine_env(DEMO)


def test_ranks_and_devices_bind_their_own_threads():
    split = DEMO.model_copy(update={"engine": DEMO.engine.model_copy(update={"tensor_parallel_size": 2})})
    device = DEMO.model_copy(update={"platform": DEMO.platform.model_copy(update={"backend": "cuda"})})
    assert environment.THREADS not in environment.engine_env(split)
    assert environment.THREADS not in environment.engine_env(device)
