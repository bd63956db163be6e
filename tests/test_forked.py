"""Servers forked from a process that has imported vLLM: the run book's module, answers and end, without its import."""

from __future__ import annotations

import os
import signal
import subprocess
from unittest import mock

import psutil
import pytest
from evalpress import kernel_env, params, runbook
from evalpress.engine import forked, server
from evalpress.errors import MeasurementError
from evalpress.serving import requests

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def imported():
    # As a report's kernel does, with Intel's OpenMP where it is installed: that is what binds forks.
    with mock.patch.dict(os.environ, kernel_env.preload_env(params.load("demo"))):
        forked.prepare()
    forked.settle()
    yield
    forked._running.clear()


def test_a_forked_server_answers_as_the_run_books_does_and_leaves_nothing(tmp_path):
    demo = params.load("demo")
    port = server.free_port("127.0.0.1", 0)
    argv = runbook.serve_argv(demo, "eager", port=port)
    argv = [runbook.program(argv), *argv[1:]]
    base_url = f"http://127.0.0.1:{port}"
    launch = server.Launch(argv, kernel_env.server_env(demo), base_url, tmp_path / "log", fork=True)
    try:
        assert launch.ready(120, lambda text: None).ready_s > 0
        family = [found := psutil.Process(launch._process.pid), *found.children(recursive=True)]
        assert {tuple(process.cpu_affinity()) for process in family} == {tuple(psutil.Process().cpu_affinity())}
        assert len(family) > 1  # the engine core lives in a process of its own, as the command's does
        assert requests.curl(base_url, requests.served_model(base_url))["output"].strip().startswith("Paris")
        assert "--enforce-eager" in runbook.shell(argv)
        assert "'enforce_eager': True" in (tmp_path / "log").read_text()  # vLLM's list of arguments that it was given
    finally:
        launch.stop()
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert not server.answers(base_url)


def test_a_forked_server_that_dies_says_why(tmp_path):
    launch = server.Launch(["python", "-m", "evalpress"], {}, "http://127.0.0.1:9", tmp_path / "log", fork=True)
    with pytest.raises(MeasurementError, match=r"exit status 2 .*arguments are required: verb"):
        launch.ready(60, lambda text: None)
    launch.stop()


def test_the_end_of_one_is_told_as_a_popen_tells_it(tmp_path):
    (tmp_path / "log").touch()
    running = forked.Forked(["python", "-m", "http.server", "0"], {}, tmp_path / "log")
    assert running.returncode is None
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(0.2)
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(10) == running.returncode == -signal.SIGKILL
