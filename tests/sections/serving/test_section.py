"""The serving section against a server that already runs, and its refusal where none does."""

from __future__ import annotations

import pytest
from evalpress import launch, params
from evalpress.core import results
from evalpress.core.errors import MeasurementError
from evalpress.engine import server
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import load, section


def asking(base_url: str) -> Params:
    """The demo set, pointed at a running server, with little load."""
    demo = params.load("demo")
    changes = {"base_url": base_url, "concurrency": (1, 2), "rate_shares": (0.5,)}
    changes |= {"requests_per_level": 4, "output_len": 8, "rate_seconds": 0.1}
    return demo.model_copy(update={"serving": demo.serving.model_copy(update=changes)})


@pytest.mark.slow
def test_a_running_server_is_asked_and_left_running(tmp_path):
    demo = params.load("demo")
    port = server.free_port("127.0.0.1", 0)
    argv = launch.serve_argv(demo, "eager", port=port)
    argv = [launch.program(argv), *argv[1:]]
    base_url = f"http://127.0.0.1:{port}"
    with server.running(argv, environment.server_env(demo), base_url, tmp_path / "log", 300, lambda text: None):
        old = Job(by_name("serving"), asking(base_url), tmp_path, "always").raw("eager-concurrency-999", [])
        found = section.measure(Job(by_name("serving"), asking(base_url), tmp_path, "always"))
        assert server.answers(base_url)
    assert not server.answers(base_url)
    results.check_values(found, "serving")
    assert not (tmp_path / "results" / old).exists()  # what this set does not ask for is no observation of it
    running = found["servers"]["running"]
    assert running["ready_s"] is None
    assert "already running" in running["ready_s_why"]
    assert found["curl"]["output"].strip().startswith("Paris")
    assert found["stream"]["output"].strip().startswith("Paris")
    assert [level["concurrency"] for level in found["levels"]] == [1, 2]
    assert [level["completed"] for level in found["levels"]] == [4, load.WAVES * 2]
    assert all(point["total_output_tokens"] == 8 * point["completed"] for point in found["levels"] + found["rates"])
    assert found["rates"][0]["share_of_saturation"] == 0.5
    assert found["http_cost"] == []


def test_no_server_at_the_address_is_one_line(tmp_path):
    with pytest.raises(MeasurementError, match=r"serving.base_url: no server answers at http://127.0.0.1:9/health"):
        section.measure(Job(by_name("serving"), asking("http://127.0.0.1:9"), tmp_path, "always"))
