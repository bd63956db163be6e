"""Life cycle of a vLLM OpenAI server: start, await, ask, stop; never left behind."""

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

import requests

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT
from evalpress.engine.forked import Forked

_POLL_S = 0.5


@dataclass(frozen=True)
class Server:
    """A server that answers. `ready_s` is null for one that this suite did not start."""

    base_url: str
    ready_s: float | None
    argv: tuple[str, ...]


def free_port(host: str, port: int) -> int:
    """`port` when it is free, any free one for 0.

    Raises:
        MeasurementError: the port is in use.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise MeasurementError(
                f"serving.port: {port} on {host} cannot be used ({error.strerror}); "
                "free it, choose another, or 0 for any free port"
            ) from None
        return int(probe.getsockname()[1])


class Launch:
    """A server process from its start on. It may not answer yet; whoever asks for `ready` waits for that.

    Its output goes to `log`. With `fork` it is forked from the process that `forked.prepare` left. A thread asks
    the health check, so that the time to the first answer is known although nobody waits.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], base_url: str, log: Path, *, fork: bool = False
    ) -> None:
        self.argv, self.base_url, self.log = tuple(argv), base_url, log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._started = time.monotonic()
        self._ready_s: float | None = None
        log.write_bytes(b"")
        self.forked = fork
        self._process = Forked(argv, env, log) if fork else _started(argv, env, log)
        atexit.register(self.stop)
        threading.Thread(target=self._watch, daemon=True).start()

    def ready(self, timeout_s: float, progress: Callable[[str], None]) -> Server:
        """The server, once it answers.

        Args:
            timeout_s: allowed from its start on.
            progress: told how long it has been waited for.

        Raises:
            MeasurementError: it ends or stays silent; the message ends with its last error line.
        """
        while self._ready_s is None:
            if self._process.poll() is not None:
                raise MeasurementError(
                    f"the server ended with exit status {self._process.returncode} before it answered: "
                    f"{_last_error(self.log)}"
                )
            waited = time.monotonic() - self._started
            if waited > timeout_s:
                raise MeasurementError(
                    f"the server did not answer in time (serving.startup_timeout_s): {_last_error(self.log)}"
                )
            progress(f"waiting for the server, {waited:.0f} s")
            time.sleep(_POLL_S)
        return Server(self.base_url, self._ready_s, self.argv)

    def stop(self) -> None:
        """End the whole group."""
        _stop(self._process)
        atexit.unregister(self.stop)

    def _watch(self) -> None:
        while self._process.poll() is None:
            if answers(self.base_url):
                self._ready_s = time.monotonic() - self._started
                return
            time.sleep(_POLL_S)


@contextlib.contextmanager
def running(
    argv: Sequence[str],
    env: Mapping[str, str],
    base_url: str,
    log: Path,
    timeout_s: float,
    progress: Callable[[str], None],
) -> Iterator[Server]:
    """The server for the length of a `with` block.

    Raises:
        MeasurementError: it ends or stays silent before `timeout_s`; the message ends with its last error line.
    """
    launch = Launch(argv, env, base_url, log)
    try:
        yield launch.ready(timeout_s, progress)
    finally:
        launch.stop()


def _started(argv: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        # A session of its own, so that the whole group (API server, engine core, workers) can be ended at once.
        return subprocess.Popen(
            list(argv),
            env={**os.environ, **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )


def answers(base_url: str) -> bool:
    """Whether a server answers its health check."""
    try:
        return requests.get(f"{base_url}/health", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "error" in line]
    return (told or lines or ["it printed nothing"])[-1][-300:]


def _stop(process: subprocess.Popen[bytes] | Forked) -> None:
    """End the whole group: politely, then for certain."""
    for sent, patience in ((signal.SIGINT, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
