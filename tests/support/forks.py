"""Run by test_forked in a process of its own, as a report's kernel would be: prepare, fork, ask, end; facts as JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from evalpress import launch as runbook
from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.engine import forked, server
from evalpress.launch import environment
from evalpress.sections.serving import requests
from evalpress.sections.serving.servers import prepare


def a_server(folder: Path) -> dict[str, Any]:
    demo = params.load("demo")
    port = server.free_port("127.0.0.1", 0)
    argv = runbook.serve_argv(demo, "eager", port=port)
    base_url = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    launch = server.Launch([runbook.program(argv), *argv[1:]], environment.server_env(demo), base_url, log, fork=True)
    try:
        ready_s = launch.ready(120, lambda text: None).ready_s
        family = [found := psutil.Process(launch._process.pid), *found.children(recursive=True)]
        answer = requests.curl(base_url, requests.served_model(base_url))["output"]
        cores = [process.cpu_affinity() for process in family]
    finally:
        launch.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    return {
        "ready_s": ready_s,
        "cores": cores,
        "answer": answer,
        "asked": runbook.shell(argv),
        "log": log.read_text(encoding="utf-8"),
        "alive": len(alive),
        "answers": server.answers(base_url),
    }


def one_that_dies(folder: Path) -> str:
    launch = server.Launch(["python", "-m", "evalpress"], {}, "http://127.0.0.1:9", folder / "dies.log", fork=True)
    try:
        launch.ready(60, lambda text: None)
    except MeasurementError as error:
        return str(error)
    finally:
        launch.stop()
    return "it lives"


def one_that_is_killed(folder: Path) -> list[Any]:
    (folder / "killed.log").touch()
    running = forked.Forked(["python", "-m", "http.server", "0"], {}, folder / "killed.log")
    found: list[Any] = [running.returncode]
    try:
        running.wait(0.2)
    except subprocess.TimeoutExpired as error:
        found.append(type(error).__name__)
    os.kill(running.pid, signal.SIGKILL)
    return [*found, running.wait(10), running.returncode]


def main(folder: Path) -> None:
    prepare("demo", str(folder))
    waiting = psutil.Process().children()
    facts: dict[str, Any] = {"prepared": forked.prepared()}
    forked.settle()
    facts |= {"server": a_server(folder), "dies": one_that_dies(folder), "killed": one_that_is_killed(folder)}
    waiting[0].kill()
    waiting[0].wait(10)
    forked.settle()
    facts["prepared_after_its_end"] = forked.prepared()
    print(json.dumps(facts))


main(Path(sys.argv[1]))
