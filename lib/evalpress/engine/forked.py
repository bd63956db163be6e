"""Servers forked from a process that has imported vLLM: its import is the longest part of a server's start on CPU.

A report's kernel imports vLLM before it has a thread, forks once, and the fork waits: it has what the kernel has
imported, imports what only a server needs, and forks a server whenever the kernel asks. A server is then the run book's
module with the run book's arguments. How long such a start takes says nothing about the run book's command, and
nothing here claims that it does.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT

_NEEDED = (
    "vllm.entrypoints.openai.api_server",
    "vllm.v1.engine.async_llm",
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.v1.worker.cpu_worker",
    "torch._inductor.compile_fx",
)
"""What a server and its engine core import besides what `LLM` does."""
_UNBOUND = ("KMP_AFFINITY", "none")
"""Intel's OpenMP leaves threads where they are, but binds each process that it finds forked to one core: a server that
shares a core with its engine loses a seventh of its throughput at 128 requests at a time."""
_POLL_S = 0.02
_kept: list[_Kept] = []


def keep() -> None:
    """Leave a fork of this process behind, from which servers are started; it ends with this process.

    To be called with vLLM imported and before this process has a second thread, which no fork would have.
    """
    gc.collect()
    gc.freeze()  # as the gc module advises before a fork: no collection copies the shared pages
    ours, its = multiprocessing.Pipe()
    if os.fork() == 0:
        ours.close()
        try:
            _wait_for_work(its)
        finally:
            os._exit(0)
    its.close()
    _kept.append(_Kept(ours))


def prepared() -> bool:
    """Whether there is a process to fork from."""
    return bool(_kept)


def settle() -> None:
    """Wait until that process, if there is one, has imported everything: a measurement gets the machine for itself."""
    try:
        for kept in _kept:
            kept.ask(None)
    except MeasurementError:  # it has ended: servers are then started by the run book's command
        _kept.clear()


class Forked:
    """A module run as `python -m` would run it, in a fork of that process; the part of `subprocess.Popen` we use.

    Args:
        argv: `[python, "-m", module, argument …]`.
        env: variables over those that this process had when it called `keep`.
        log: an existing file for its output.

    Raises:
        MeasurementError: the process to fork from has ended.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self._kept = _kept[-1]
        started = self._kept.ask((list(argv[2:]), dict(env), str(log)))
        assert started is not None
        self.pid = started

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._kept.ask(self.pid)

    def wait(self, timeout: float) -> int:
        """Its exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(_POLL_S)
        return status


class _Kept:
    """The kernel's end of the line to the process that waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def ask(self, question: tuple[list[str], dict[str, str], str] | int | None) -> int | None:
        """A command to start: its process. A process: its exit status, if it has one. None: an answer."""
        with self._lock:
            try:
                self._connection.send(question)
                answer: int | None = self._connection.recv()
            except (EOFError, OSError):
                raise MeasurementError("the process that servers are forked from has ended") from None
        return answer


def _wait_for_work(connection: Connection) -> None:
    """Answer `_Kept.ask` until the process at the other end is gone."""
    os.setsid()  # an interrupt of the kernel is none of ours
    os.environ.setdefault(*_UNBOUND)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the run book's module says so again when it runs
        for name in _NEEDED:
            with contextlib.suppress(ImportError):  # another vLLM: it is imported when it is needed
                importlib.import_module(name)
    gc.collect()
    gc.freeze()
    started: dict[int | None, BaseProcess] = {}
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            return
        if isinstance(asked, tuple):
            process = multiprocessing.get_context("fork").Process(target=_run, args=asked)
            process.start()
            started[process.pid] = process
            connection.send(process.pid)
        else:
            connection.send(started[asked].exitcode if asked else None)


def _run(command: list[str], env: dict[str, str], log: str) -> None:
    os.setsid()  # a session of its own, so that the whole group can be ended at once
    os.chdir(ROOT)
    os.environ.update(env)
    with Path(log).open("ab") as out, Path(os.devnull).open("rb") as empty:
        os.dup2(empty.fileno(), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    _fork_for_spawn()
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _fork_for_spawn() -> None:
    """Fork the engine core where vLLM's CPU platform would spawn it: forking is vLLM's own way on other platforms."""
    choose = multiprocessing.get_context

    def get_context(method: str | None = None) -> multiprocessing.context.BaseContext:
        return choose("fork" if method == "spawn" else method)

    multiprocessing.get_context = get_context  # type: ignore[assignment]
