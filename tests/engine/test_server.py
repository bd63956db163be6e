"""A server's life with programs that act as one: its address, its failure in words, and its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from evalpress.core.errors import MeasurementError
from evalpress.engine import server
from evalpress.sections.serving import servers
from pretended_server import serving

HEALTHY = """
import http.server, os, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(repr(sorted(os.environ)).encode())
    def log_message(self, *a): pass
family = __import__("socket").AF_INET6 if ":" in sys.argv[1] else __import__("socket").AF_INET
class S(http.server.ThreadingHTTPServer): address_family = family
S((sys.argv[1], int(sys.argv[2])), H).serve_forever()
"""


def argv(host: str, port: int) -> list[str]:
    return [sys.executable, "-S", "-c", HEALTHY, host, str(port)]


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_the_system_chooses_the_port_and_the_address_is_found(tmp_path, monkeypatch, host, shown):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("VLLM_API_KEY", "abc")
    with server.running(argv(host, 0), {"OURS": "1"}, host, tmp_path / "log", 30) as found:
        assert found.endpoint.base_url.startswith(shown) and found.ready_s > 0
        seen = found.endpoint.text("/environment") or ""
        assert "'OURS'" in seen and "VLLM_API_KEY" not in seen
    assert found.endpoint.answers() is not None


def test_a_server_whose_set_gives_it_a_key_is_asked_with_that_key(tmp_path):
    with server.running(
        argv("127.0.0.1", 0), {"VLLM_API_KEY": "of the set"}, "127.0.0.1", tmp_path / "log", 30
    ) as found:
        assert found.endpoint.headers == {"Authorization": "Bearer of the set"} and found.endpoint.is_direct


def test_another_program_at_the_address_is_not_taken_for_the_server(tmp_path):
    with serving() as url:
        port = int(url.rsplit(":", 1)[1])
        idle = [sys.executable, "-S", "-c", "import time; time.sleep(60)", str(port)]
        with (
            pytest.raises(MeasurementError, match=r"did not answer within 0.6 s .*nothing listened yet: it printed"),
            server.running(idle, {}, "127.0.0.1", tmp_path / "log", 0.6),
        ):
            raise AssertionError("it must not get here")


def test_the_reason_of_a_server_that_ends_is_reported(tmp_path):
    dies = [sys.executable, "-S", "-c", "print('GET /Error'); raise RuntimeError('no such model')"]
    with (
        pytest.raises(MeasurementError, match="ended with exit status 1 .*: RuntimeError: no such model$"),
        server.running(dies, {}, "127.0.0.1", tmp_path / "log", 30),
    ):
        raise AssertionError("it must not get here")


def test_a_server_that_is_killed_is_reported_as_killed(tmp_path):
    launch = server.Launch([sys.executable, "-S", "-c", "import time; time.sleep(60)"], {}, "::1", tmp_path / "log")
    os.kill(launch._process.pid, signal.SIGKILL)
    with pytest.raises(MeasurementError, match="killed by SIGKILL, as the system does when memory runs out"):
        launch.ready(30, lambda text: None)


def test_a_server_ends_although_interrupts_are_ignored(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a job that a shell put into the background
    try:
        launch = server.Launch(argv("127.0.0.1", 0), {}, "127.0.0.1", tmp_path / "log")
        process = psutil.Process(launch._process.pid)
        launch.ready(30, lambda text: None)
        start = time.monotonic()
        launch.stop()
        assert time.monotonic() - start < 8 and not process.is_running()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_server_ends_with_the_process_that_started_it_even_by_sigkill(tmp_path):
    starter = (
        "import os, sys, time; from pathlib import Path; from evalpress.engine import server;"
        "launch = server.Launch(sys.argv[2:], {}, '127.0.0.1', Path(sys.argv[1]));"
        "print(launch._process.pid, launch._lifeline.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", starter, str(tmp_path / "log"), *argv("127.0.0.1", 0)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        found = [psutil.Process(int(pid)) for pid in run.stdout.readline().split()]
        assert len(found) == 2
        run.kill()
    _, alive = psutil.wait_procs(found, 15)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MeasurementError, match=f"serving.port: {port} on 127.0.0.1 cannot be used"):
            server.check_port("127.0.0.1", port)
    server.check_port("::1", 0)


def test_a_server_that_ends_during_the_load_fails_the_measurement_with_its_reason(tmp_path):
    dies = [sys.executable, "-S", "-c", "import time; time.sleep(0.3); raise RuntimeError('no memory left')"]
    launched = {"eager": server.Launch(dies, {}, "127.0.0.1", tmp_path / "log")}
    told = r"during the load on the eager server, the server ended with exit status 1: RuntimeError: no memory left"
    with pytest.raises(MeasurementError, match=told), servers._alive(launched):
        raise MeasurementError("all requests failed")
    with pytest.raises(MeasurementError, match=told), servers._alive(launched):
        pass  # some requests were answered
    lives = {"eager": server.Launch(argv("127.0.0.1", 0), {}, "127.0.0.1", tmp_path / "log")}
    try:
        with servers._alive(lives):
            pass
    finally:
        lives["eager"].stop()
