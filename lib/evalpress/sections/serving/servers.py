"""Which servers a report starts, when, and the one that already runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evalpress import launch as runbook
from evalpress.core.errors import MeasurementError
from evalpress.core.hashing import digest
from evalpress.core.progress import step
from evalpress.engine import engines_together, forked, import_vllm, release, server, servers_fit
from evalpress.launch import environment
from evalpress.params.schema import Mode, Params
from evalpress.sections.job import Job, open_job
from evalpress.sections.serving.requests import served_model

RUNNING = "running"
"""Stands for the mode of a server that this suite did not start."""


@dataclass(frozen=True)
class Target:
    """A server that answers, in one mode."""

    mode: str
    base_url: str
    served: str
    facts: dict[str, Any]
    beside_engines: bool = False
    """Whether memory holds this process's engines beside it."""


_ahead: dict[str, dict[Mode, server.Launch]] = {}


def prepare(set_name: str, reports_dir: str) -> None:
    """Import vLLM and leave a fork of this process behind, from which the servers of a set start when they are due.

    Called before this process has threads. Only where `start_ahead` may start them and the system's libraries allow a
    fork (Linux); elsewhere nothing happens.
    """
    params = open_job("serving", set_name, reports_dir).params
    if sys.platform == "linux" and params.serving.fork and _may_be_beside(params):
        with contextlib.suppress(Exception):  # the first section that imports vLLM says why it cannot
            step("importing vLLM")
            import_vllm(params)
            forked.keep()


def start_ahead(set_name: str, reports_dir: str) -> None:
    """Start the servers of a set now, beside work that nobody times; `targets` takes them over.

    Only on CPU, with room in memory for both servers beside this process's engines; elsewhere nothing happens,
    since a device serves one engine at a time.
    """
    job = open_job("serving", set_name, reports_dir)
    if _beside(job.params):
        _ahead[_key(job)] = _launch(job, job.params.serving.modes)


def groups(params: Params) -> list[tuple[Mode, ...]]:
    """Modes whose servers live side by side and are loaded in turn."""
    modes = params.serving.modes
    return [modes] if engines_together(params) else [(mode,) for mode in modes]


@contextlib.contextmanager
def targets(job: Job, modes: Sequence[Mode]) -> Iterator[list[Target]]:
    """The servers of these modes for the length of a `with` block, or the one that already runs.

    Raises:
        MeasurementError: one does not start or answer.
    """
    if job.params.serving.base_url:
        yield [_existing(job.params.serving.base_url.rstrip("/"))]
        return
    launched = _ahead.pop(_key(job), {})
    ahead = bool(launched)
    fits = ahead or _beside(job.params)
    if not fits:
        release()
    launched = launched or _launch(job, modes)
    try:
        started = "beside other sections" if ahead else ("with the other server" if len(launched) > 1 else "alone")
        yield [_target(job, mode, launched[mode], started, fits) for mode in modes]
    finally:
        for launch in launched.values():
            launch.stop()


def _key(job: Job) -> str:
    return digest([str(job.folder), job.params.model_dump(mode="json")])


def _may_be_beside(params: Params) -> bool:
    """Whether the set allows servers beside the engines of this process."""
    engines = params.engine
    return (
        params.platform.backend == "cpu"
        and not params.serving.base_url
        and engines_together(params)
        and engines.kv_cache_gib is not None
    )


def _beside(params: Params) -> bool:
    """Whether the servers fit beside the engines of this process."""
    if not _may_be_beside(params):
        return False
    return servers_fit(params, len(params.serving.modes))


def _launch(job: Job, modes: Sequence[Mode]) -> dict[Mode, server.Launch]:
    launched: dict[Mode, server.Launch] = {}
    with contextlib.ExitStack() as undo:  # where one cannot be started, none stays
        for index, mode in enumerate(modes):
            step(f"starting the {mode} server")
            launched[mode] = _launch_one(job, mode, index)
            undo.callback(launched[mode].stop)
        undo.pop_all()
    return launched


def _launch_one(job: Job, mode: Mode, index: int) -> server.Launch:
    wanted = job.params.serving.port
    port = server.free_port(job.params.serving.host, wanted + index if wanted else 0)
    argv = runbook.serve_argv(job.params, mode, port=port)
    return server.Launch(
        [runbook.program(argv), *argv[1:]],
        environment.server_env(job.params),
        f"http://{job.params.serving.host}:{port}",
        job.folder / "logs" / f"server-{mode}.log",
        fork=forked.prepared(),
    )


def _target(job: Job, mode: Mode, launch: server.Launch, started: str, fits: bool) -> Target:
    ready = launch.ready(job.params.serving.startup_timeout_s, step)
    port = int(ready.base_url.rsplit(":", 1)[1])
    command = runbook.shell(runbook.serve_argv(job.params, mode, port=port), runbook.env(job.params))
    facts: dict[str, Any] = {"command": command, "ready_s": ready.ready_s, "started": started}
    facts["forked"] = launch.forked
    return Target(mode, ready.base_url, served_model(ready.base_url), facts, fits)


def _existing(base_url: str) -> Target:
    if not server.answers(base_url):
        raise MeasurementError(f"serving.base_url: no server answers at {base_url}/health")
    why = "the server was already running (serving.base_url)"
    facts: dict[str, Any] = {
        "command": None,
        "command_why": why,
        "ready_s": None,
        "ready_s_why": why,
        "started": "before this report",
    }
    facts["forked"] = False
    return Target(RUNNING, base_url, served_model(base_url), facts)
