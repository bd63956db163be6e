"""Life cycle of a vLLM OpenAI server: start, find its address, await its answer, stop; never left behind."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT
from evalpress.engine import failure, lifeline
from evalpress.engine.endpoint import Endpoint
from evalpress.launch import url_of

_POLL_S = 0.25
NOT_PASSED_ON = ("VLLM_API_KEY",)
"""Variables of the caller that a server of ours does not see: a key would lock out the clients of the report."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    endpoint: Endpoint
    ready_s: float
    """From the start of the process to the first answer of the health check."""


class Launch:
    """A server process from its start on. It may not answer yet; `ready` waits for that.

    The server binds the port itself; with port 0 the system gives it a free one. Its address is read from the sockets
    on which the process listens, so what answers there is this server and no other program. A thread polls the health
    check, so that the time to the first answer is known even without a waiting caller.

    Args:
        argv: the command; its `--host` and `--port` as the server reads them.
        env: variables over those of this process.
        host: the address that the command binds.
        log: the file for its output.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], host: str, log: Path) -> None:
        self.log, self._host = log, host
        self._api_key = env.get("VLLM_API_KEY")  # the set's own key, which the server requires of its clients
        log.parent.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        self._server: Server | None = None
        self._silent = "nothing listened yet"
        self._process = _start(argv, env, log)
        self._lifeline = lifeline.tied(self._process.pid)
        atexit.register(self.stop)
        threading.Thread(target=self._watch, daemon=True).start()

    def ready(self, timeout_s: float, progress: Callable[[str], None]) -> Server:
        """The server, once it answers.

        Args:
            timeout_s: allowed from its start on.
            progress: called with the time waited so far.

        Raises:
            MeasurementError: it ends or stays silent; the message gives the reason that its log states.
        """
        while self._server is None:
            if self._process.poll() is not None:
                ended = failure.ending(self._process.returncode)
                raise MeasurementError(f"the server {ended} before it answered: {failure.reason(self.log)}")
            waited = time.monotonic() - self._started
            if waited > timeout_s:
                limit = f"{timeout_s:g} s (serving.startup_timeout_s)"
                told = failure.reason(self.log)
                raise MeasurementError(f"the server did not answer within {limit}, {self._silent}: {told}")
            progress(f"waiting for the server, {waited:.0f} s")
            time.sleep(_POLL_S)
        return self._server

    def ended(self, patience_s: float = 0.0) -> str | None:
        """How the server ended and the reason that its log states; None where it runs on for `patience_s`."""
        try:
            status = self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return None
        return f"the server {failure.ending(status)}: {failure.reason(self.log)}"

    def stop(self) -> None:
        """End the whole group: SIGTERM, then SIGKILL."""
        lifeline.cut(self._lifeline)
        for sent, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        atexit.unregister(self.stop)

    def _watch(self) -> None:
        while self._process.poll() is None:
            for port in listening_ports(self._process.pid):
                endpoint = Endpoint(url_of(self._host, port), self._api_key, own=True)
                silent = endpoint.answers()
                if silent is None:
                    self._server = Server(endpoint, time.monotonic() - self._started)
                    return
                self._silent = f"{endpoint.base_url}/health gave {silent}"
            time.sleep(_POLL_S)


def check_port(host: str, port: int) -> None:
    """Refuse a port that another program uses before a server takes its time to find out; 0 is always free.

    Raises:
        MeasurementError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise MeasurementError(
                f"serving.port: {port} on {host} cannot be used ({error.strerror or error}); "
                "free it, choose another, or 0 for any free port"
            ) from None


def listening_ports(pid: int) -> list[int]:
    """TCP ports on which a process listens (not those of its children: an engine core has its own ports)."""
    try:
        found = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return []
    return sorted({connection.laddr.port for connection in found if connection.status == psutil.CONN_LISTEN})


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    env: Mapping[str, str],
    host: str,
    log: Path,
    timeout_s: float,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[Server]:
    """The server for the length of a `with` block; arguments and errors as `Launch` and `Launch.ready`."""
    launch = Launch(argv, env, host, log)
    try:
        yield launch.ready(timeout_s, progress)
    finally:
        launch.stop()


def _start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    with log.open("wb") as out:
        # A separate session, so that the whole group (API server, engine core, workers) can be ended at once.
        return subprocess.Popen(
            list(argv),
            env={**kept, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
