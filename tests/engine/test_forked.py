"""Servers forked from a process that has imported vLLM: the run book's module, answers and end, without its import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from evalpress import params
from evalpress.launch import environment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    # As a report's kernel is, with Intel's OpenMP where it is installed: that is what binds forks.
    demo = params.load("demo")
    env = os.environ | environment.engine_env(demo) | environment.preload_env(demo)
    script = [
        sys.executable,
        str(Path(__file__).parents[1] / "support" / "forks.py"),
        str(tmp_path_factory.mktemp("forks")),
    ]
    done = subprocess.run(script, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_forked_server_answers_as_the_run_books_does_and_leaves_nothing(facts):
    found = facts["server"]
    assert found["ready_s"] > 0
    assert len(found["cores"]) > 1  # the engine core lives in a process of its own, as the command's does
    assert {tuple(cores) for cores in found["cores"]} == {tuple(psutil.Process().cpu_affinity())}
    assert found["answer"].strip().startswith("Paris")
    assert "--enforce-eager" in found["asked"]
    assert "'enforce_eager': True" in found["log"]  # vLLM's list of arguments that it was given
    assert found["alive"] == 0
    assert not found["answers"]


def test_a_forked_server_that_dies_says_why(facts):
    assert "exit status 2" in facts["dies"]
    assert "arguments are required: verb" in facts["dies"]


def test_the_end_of_one_is_told_as_a_popen_tells_it(facts):
    assert facts["killed"] == [None, "TimeoutExpired", -signal.SIGKILL, -signal.SIGKILL]


def test_without_the_process_to_fork_from_servers_are_started_by_the_command(facts):
    assert facts["prepared"]
    assert not facts["prepared_after_its_end"]


def test_the_process_to_fork_from_ends_with_the_one_that_left_it(tmp_path):
    code = "from evalpress.engine import forked; forked._NEEDED = (); forked.keep(); import psutil; "
    code += "print(psutil.Process().children()[0].pid)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    left = [process for process in psutil.process_iter() if process.pid == int(done.stdout)]
    assert not psutil.wait_procs(left, timeout=10)[1]
