"""The evidence prompts sent to a server, alone and among others; missing data is reported with a reason."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.engine.endpoint import Endpoint
from evalpress.sections.evidence import server_answers
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name

pytestmark = pytest.mark.slow


def job_of(tmp_path, **evidence) -> Job:
    demo = params.load("demo")
    changed = demo.model_copy(
        update={
            "engine": demo.engine.model_copy(update={"modes": ("eager",)}),
            "evidence": demo.evidence.model_copy(
                update={"mode": "eager", "check_tokens": 40, "repeats": 2, **evidence}
            ),
        }
    )
    return Job(by_name("serving"), changed, tmp_path, "always")


class _Server(BaseHTTPRequestHandler):
    """Answers the last prompt token plus one; `with_ids` False: as a server that returns no token ids."""

    with_ids = True
    asked: list[dict] = []

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert asked["temperature"] == 0
        assert asked["repetition_penalty"] == 1
        assert asked["ignore_eos"] is True
        self.asked.append(asked)
        choice = {"text": "x", "logprobs": {"token_logprobs": [-0.5]}}
        choice |= {"token_ids": [asked["prompt"][-1] + 1]} if self.with_ids else {}
        body = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class _Listening(ThreadingHTTPServer):
    request_queue_size = 64  # all requests of a round connect at once


@pytest.fixture
def server():
    found = _Listening(("127.0.0.1", 0), _Server)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    _Server.asked.clear()
    yield Endpoint(f"http://127.0.0.1:{found.server_port}")
    found.shutdown()
    found.server_close()


def test_answers_are_kept_and_read_for_the_same_prompts_only(server, tmp_path):
    job = job_of(tmp_path)
    server_answers.ask(job, server, "demo")
    kept = json.loads((tmp_path / "results" / "raw" / "serving-evidence.json").read_text())["prompts"]
    asked = {name: row["prompt_token_ids"] for name, row in kept.items()}
    assert len(asked) == 10
    found = server_answers.answers(job, asked)
    wanted = {name: (ids[-1] + 1,) for name, ids in asked.items()}
    assert {name: one.token_ids for name, one in found.alone.items()} == wanted
    assert {one.scores for one in found.alone.values()} == {(-0.5,)}
    assert [{n: one.token_ids for n, one in run.items()} for run in found.under_load] == [wanted, wanted]
    assert len(_Server.asked) == 10 + 2 * (10 + server_answers.OTHERS)
    assert {body["max_tokens"] for body in _Server.asked} == {4, 2}
    with pytest.raises(MeasurementError, match="other prompts"):
        server_answers.answers(job, asked | {"capital-of-france": [1]})
    assert server_answers.answers(job_of(tmp_path, check_tokens=50), asked) == found  # shorter or longer is compared
    seeded = job.params.engine.model_copy(update={"seed": 1 + job.params.engine.seed})
    other = Job(job.section, job.params.model_copy(update={"engine": seeded}), tmp_path, "always")
    with pytest.raises(MeasurementError, match="another model or other settings"):
        server_answers.answers(other, asked)


def test_a_server_without_token_ids_or_none_at_all_is_a_reason_not_a_crash(server, tmp_path, monkeypatch):
    job = job_of(tmp_path)
    with pytest.raises(MeasurementError, match="the serving section, which asks the server, has no results"):
        server_answers.answers(job, {})
    monkeypatch.setattr(_Server, "with_ids", False)
    server_answers.ask(job, server, "demo")
    with pytest.raises(MeasurementError, match="the server gave no token ids: KeyError"):
        server_answers.answers(job, {})
