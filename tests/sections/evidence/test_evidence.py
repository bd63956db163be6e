"""The determinism ladder: what counts as identical, where two answers part and by how much, what is never a crash."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from evalpress import engine, params
from evalpress.core import results
from evalpress.core.errors import MeasurementError
from evalpress.engine import Sampling
from evalpress.sections.evidence import comparing, ladder, rungs, section, server_answers, settings
from evalpress.sections.evidence import tables as show
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from hypothesis import given
from hypothesis import strategies as st

TOKENS = st.lists(st.integers(0, 3), max_size=6)


@given(TOKENS, TOKENS)
def test_divergence_is_the_first_position_that_differs(a, b):
    at = comparing.divergence(a, b)
    if a == b:
        assert at is None
    else:
        assert a[:at] == b[:at]
        assert a[at : at + 1] != b[at : at + 1]


def test_a_rung_counts_identical_cases_and_names_the_first_that_differs():
    first = {"x": [1, 2], "y": [3, 4, 5], "z": [1]}
    row = comparing.compare(first, {"x": [1, 2], "y": [3, 9, 5], "z": [2]})
    assert (row["identical"], row["of"]) == (1, 3)
    assert row["first_divergence"] == {"case": "y", "position": 1, "token": 4, "other_token": 9}
    assert row["differing"] == ["y", "z"]
    same = comparing.compare(first, first)
    assert same["identical"] == 3
    assert same["first_divergence"] is None


def test_an_answer_that_ends_earlier_diverges_at_its_end():
    row = comparing.compare({"x": [1, 2, 3]}, {"x": [1, 2]})
    assert row["first_divergence"] == {"case": "x", "position": 2, "token": 3, "other_token": "(end)"}


def test_the_margin_is_told_in_steps_of_the_dtype():
    logits = np.array([1.0, 16.5, 16.375, -3.0], dtype=np.float32)
    found = comparing.margin(logits, 1, 2, "bfloat16")
    assert found == {"logit": 16.5, "other_logit": 16.375, "logit_margin": 0.125, "dtype_spacing": 0.125}
    assert comparing.margin(logits, 2, 1, "bfloat16")["logit_margin"] == 0.125


@given(st.floats(min_value=2**-14, max_value=6e4, width=16))
def test_spacing_is_numpys(value):
    assert comparing.spacing(value, "float16") == np.spacing(np.float16(value))
    assert comparing.spacing(value, "float32") == np.spacing(np.float32(value))


def test_settings_that_make_a_rung_hold_are_named_with_the_values_of_the_run_book():
    ascend = settings.holds_with("same_engine_again")["ascend"]
    assert {"HCCL_DETERMINISTIC=true", "LCCL_DETERMINISTIC=1"} <= set(ascend)
    assert {"ATB_MATMUL_SHUFFLE_K_ENABLE=0", "ATB_LLM_LCOC_ENABLE=0"} <= set(ascend)
    assert "VLLM_BATCH_INVARIANT=1" in settings.holds_with("shuffled_batch")["ascend"]
    assert settings.holds_with("same_engine_again")["cpu"] == ["VLLM_ENABLE_V1_MULTIPROCESSING=0"]


def job_of(tmp_path, **evidence) -> Job:
    demo = params.load("demo")
    changed = demo.model_copy(
        update={
            "engine": demo.engine.model_copy(update={"modes": ("eager",)}),
            "evidence": demo.evidence.model_copy(update={"mode": "eager", "max_tokens": 4, **evidence}),
        }
    )
    return Job(by_name("serving"), changed, tmp_path, "always")


class _Server(BaseHTTPRequestHandler):
    """Answers the last prompt token plus one; `with_ids` False: as a server that returns no token ids."""

    with_ids = True

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["temperature"] == 0
        assert asked["repetition_penalty"] == 1
        choice = {"text": "x"} | ({"token_ids": [asked["prompt"][-1] + 1]} if self.with_ids else {})
        body = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    found = HTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()


@pytest.mark.slow
def test_the_servers_answers_are_kept_and_read_for_the_same_prompts_only(server, tmp_path):
    job = job_of(tmp_path)
    server_answers.ask(job, server, "demo")
    kept = results_raw(tmp_path)["prompts"]
    asked = {name: row["prompt_token_ids"] for name, row in kept.items()}
    assert len(asked) == 10
    assert server_answers.answers(job, asked) == {name: [ids[-1] + 1] for name, ids in asked.items()}
    with pytest.raises(MeasurementError, match="other prompts"):
        server_answers.answers(job, asked | {"capital-of-france": [1]})
    with pytest.raises(MeasurementError, match="another model or other settings"):
        server_answers.answers(job_of(tmp_path, max_tokens=5), asked)


def results_raw(folder):
    return json.loads((folder / "results" / "raw" / "serving-evidence.json").read_text())


@pytest.mark.slow
def test_a_server_without_token_ids_or_none_at_all_is_a_reason_not_a_crash(server, tmp_path, monkeypatch):
    job = job_of(tmp_path)
    with pytest.raises(MeasurementError, match="the serving section, which asks the server, has no results"):
        server_answers.answers(job, {})
    monkeypatch.setattr(_Server, "with_ids", False)
    server_answers.ask(job, server, "demo")
    with pytest.raises(MeasurementError, match="the server gave no token ids: KeyError"):
        server_answers.answers(job, {})


@pytest.mark.slow
def test_the_whole_ladder_on_one_engine_and_a_planted_difference(tmp_path, monkeypatch):
    """Every rung of a set without compiled mode and without a server, one of them with a wrong token planted."""
    job = job_of(tmp_path)
    try:
        loaded = engine.get(job.params, "eager")
        asked = {"france": loaded.tokenize("The capital of France is"), "water": loaded.tokenize("The chemical symbol")}
        first = rungs.alone(loaded, asked, Sampling(max_tokens=4))
        climbing = rungs.Rungs(job, asked, Sampling(max_tokens=4), first)
        right = climbing.batch()
        wrong = {name: [*ids[:1], 7, *ids[2:]] for name, ids in right.answers.items()}
        planted = rungs.Found(wrong, right.baseline, right.against, right.asked)
        monkeypatch.setattr(climbing, "batch", lambda: planted)
        rows, raw = ladder.climb(climbing)
        row = {row["rung"]: row for row in rows}
        begun = [*asked["france"], raw["first"]["france"][0]]
        logits = loaded.logits(begun, [len(begun) - 1])[0]
    finally:
        engine.release()
    results.check_values(rows, "determinism")
    for name in ("same_engine_again", "shuffled_batch", "new_engine", "prefix_cache", "vllm_against_transformers"):
        assert (row[name]["identical"], row[name]["of"]) == (2, 2), name
    assert row["same_engine_again"]["identical_bytes"] == 2
    assert row["prefix_cache"]["cached_tokens"] > 0
    for name, why in (("offline_against_server", "has no results"), ("compiled_against_eager", "one mode only")):
        assert row[name]["identical"] is None
        assert why in row[name]["identical_why"]
    found = row["batch_of_all"]["first_divergence"]
    assert (found["case"], found["position"], found["other_token"]) == ("france", 1, 7)
    assert found["logit_margin"] == abs(float(logits[found["token"]]) - float(logits[7])) > 0
    page = show.ladder({"data": {"determinism": rows}})
    assert "differs" in page.html()
    assert "not measured" in page.html()
    assert "one mode only" in page.markdown()


def test_first_tokens_of_every_engine_that_answered():
    raw = {"first": {"x": [1, 2], "y": [3]}, "compiled_against_eager": {"x": [4], "y": []}}
    found = section.first_tokens("compiled", raw)
    assert found == {"compiled": {"x": 1, "y": 3}, "eager": {"x": 4}}
    assert section.first_tokens("eager", {"first": {"x": [1]}}) == {"eager": {"x": 1}}
