"""Repeated starts, with a program that behaves as a server whose compile cache is a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from evalpress import launch, params
from evalpress.core.errors import MeasurementError
from evalpress.params.schema import StartsParams
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import start_tables, starts

SERVER = """
import http.server, os, pathlib, sys, time
cache = pathlib.Path(os.environ["VLLM_CACHE_ROOT"]) / "graph"
print("INFO 11-25 12:00:00 Initializing a V1 LLM engine (v0.32.0) with config: enforce_eager=False", flush=True)
print("INFO 11-25 12:00:01 Loading weights took 0.25 seconds", flush=True)
if cache.exists():
    print("INFO 11-25 12:00:02 Directly load the compiled graph(s) for range (1, 2048) from the cache, took 0.1 s")
    print("INFO 11-25 12:00:02 torch.compile took 0.10 s in total", flush=True)
else:
    time.sleep(0.3)
    print("INFO 11-25 12:00:02 Compiling a graph for compile range (1, 2048) takes 3.00 s")
    print("INFO 11-25 12:00:02 torch.compile took 3.00 s in total", flush=True)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.touch()
print("INFO 11-25 12:00:03 init engine (profile, create kv cache, warmup model) took 1.00 s", flush=True)
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 0), H).serve_forever()
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(launch, "serve_argv", lambda *_, **__: [sys.executable, "-S", "-c", SERVER])
    monkeypatch.setattr(launch, "program", lambda argv: argv[0])
    monkeypatch.setattr(starts, "require_server", lambda _: None)
    monkeypatch.setattr(starts, "release", lambda: None)

    def make(**asked: Any) -> Job:
        demo = params.load("demo")
        serving = demo.serving.model_copy(update={"starts": StartsParams(**asked), "modes": ("compiled",)})
        return Job(by_name("serving"), demo.model_copy(update={"serving": serving}), tmp_path, "always")

    return make


@pytest.mark.slow
def test_a_cold_start_finds_empty_caches_and_the_warm_one_what_it_left(job: Any) -> None:
    found, why = starts.measure(job(cold=3, warm=3))
    assert found is not None and why is None
    assert [(one.kind, one.compile_s) for one in found.starts] == [("cold", 3.0), ("warm", 0.1)] * 3
    cold, warm = found.figures
    assert cold.kind == "cold" and cold.starts == 3 and cold.compile_s == 3.0 and cold.load_weights_s == 0.25
    assert cold.ready_s_low is not None and cold.ready_s_low <= cold.ready_s <= (cold.ready_s_high or 0)
    assert warm.ready_s < cold.ready_s
    assert "does not ask" in (cold.bench_ratio_why or "")


@pytest.mark.slow
def test_fewer_than_three_starts_give_no_interval_and_say_so(job: Any) -> None:
    found, _ = starts.measure(job(cold=1, warm=0))
    assert found is not None
    (cold,) = found.figures
    assert cold.ready_s_low is None and "1 of the 3 starts" in (cold.ready_s_low_why or "")
    shown = start_tables.starts(SimpleNamespace(data=SimpleNamespace(starts=found)))  # type: ignore[arg-type]
    assert "vllm bench startup" in str(shown.note) and len(shown.rows) == 1


def test_without_a_number_nothing_is_started(job: Any) -> None:
    found, why = starts.measure(job())
    assert found is None and "serving.starts" in (why or "")


def test_a_start_that_fails_leaves_its_reason(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise MeasurementError("the server ended: no memory")

    monkeypatch.setattr(starts, "_start", fail)
    assert starts.or_why(job(cold=1)) == (None, "the server ended: no memory")


@pytest.mark.slow
def test_bench_startup_stands_beside_with_its_ratio(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"cold_startup_times": [0.2, 0.4], "warm_startup_times": [0.1, 0.1]}

    def run(command: list[str], **_: Any) -> Any:
        assert "--num-iters-cold" in command and command[command.index("--num-iters-cold") + 1] == "2"
        assert "--model" in command
        Path(command[command.index("--output-json") + 1]).write_text(json.dumps(times))
        return SimpleNamespace(stderr="", returncode=0)

    monkeypatch.setattr(starts.subprocess, "run", run)
    found, _ = starts.measure(job(cold=2, warm=2, bench=True))
    assert found is not None
    assert found.figures[0].bench_startup_s == pytest.approx(0.3)
    assert found.figures[0].bench_ratio == pytest.approx(found.figures[0].ready_s / 0.3)


@pytest.mark.slow
def test_a_vllm_without_bench_startup_is_told(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "ImportError: cannot import name 'startup' from 'vllm.benchmarks'"
    monkeypatch.setattr(starts.subprocess, "run", lambda *_, **__: SimpleNamespace(stderr=told, returncode=1))
    found, _ = starts.measure(job(cold=1, bench=True))
    assert found is not None and found.figures[0].bench_ratio_why == "this vLLM has no vllm bench startup"
    assert os.environ.get("VLLM_CACHE_ROOT") is None or "evalpress-cold" not in os.environ["VLLM_CACHE_ROOT"]
