"""Servers forked from one process that has imported vLLM: its import is the longest part of a server's start on CPU.

Python's fork server (`multiprocessing`, start method `forkserver`) imports once and waits; a server is then the run
book's module with the run book's arguments, run in a fork of it. How long such a start takes says nothing about the
run book's command, and nothing here claims that it does.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

from evalpress.paths import ROOT

_PRELOADED = "evalpress.engine.imported"
_UNBOUND = ("KMP_AFFINITY", "none")
"""Intel's OpenMP leaves threads where they are, but binds each process that it finds forked to one core: a server that
shares a core with its engine loses a seventh of its throughput at 128 requests at a time."""
_running: list[bool] = []


def prepare() -> None:
    """Let a process import vLLM beside this one; returns at once. It ends with this process."""
    multiprocessing.set_forkserver_preload([_PRELOADED])
    with mock.patch.dict(os.environ):
        os.environ.setdefault(*_UNBOUND)
        forkserver.ensure_running()
    _running.append(True)


def prepared() -> bool:
    """Whether there is a process to fork from."""
    return bool(_running)


def settle() -> None:
    """Wait until that process, if there is one, has imported everything: a measurement gets the machine for itself."""
    if prepared():
        started = multiprocessing.get_context("forkserver").Process(target=_nothing)
        started.start()
        started.join()


class Forked:
    """A module run as `python -m` would run it, in a fork of that process; the part of `subprocess.Popen` we use.

    Args:
        argv: `[python, "-m", module, argument …]`.
        env: variables over those that this process had when it called `prepare`.
        log: an existing file for its output.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        self._process = context.Process(target=_run, args=(list(argv[2:]), dict(env), str(log)))
        self._lock = threading.Lock()
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        with self._lock:  # two threads must not read the status from the pipe that tells it once
            return self._process.exitcode

    def wait(self, timeout: float) -> int:
        """Its exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        with self._lock:
            self._process.join(timeout)
            code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return code


def _nothing() -> None:
    """Shows that the fork server answers."""


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
