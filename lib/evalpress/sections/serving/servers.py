"""Which servers a report starts, when, and the one that already runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from evalpress import launch
from evalpress.core.errors import MeasurementError
from evalpress.core.hashing import digest
from evalpress.core.paths import resolve
from evalpress.core.progress import step
from evalpress.engine import (
    engines_together,
    reader_bytes,
    release,
    require_server,
    server,
    servers_fit,
    servers_together,
)
from evalpress.engine.endpoint import Endpoint
from evalpress.launch import environment
from evalpress.params.schema import Mode, Params
from evalpress.sections.job import Job, open_job
from evalpress.sections.serving.asking import Offered, offered
from evalpress.sections.serving.results import RUNNING, Server

KEY_VARIABLES = ("VLLM_API_KEY", "OPENAI_API_KEY")
"""Where the key of a server that already runs is looked for, unless the set names a variable (serving.api_key_env)."""
_ENDING_S = 5.0
"""How long a server takes to end after its engine core has ended, s."""
_BESIDE = "beside other sections"
_TOGETHER = "with the other server"


@dataclass(frozen=True)
class Target:
    """A server that answers, in one mode."""

    mode: str
    endpoint: Endpoint
    offers: Offered
    facts: Server
    beside_engines: bool = False
    """Whether memory holds this process's engines beside it."""

    @property
    def own(self) -> bool:
        """Whether this suite started it, so that no other program uses it."""
        return self.mode != RUNNING


_ahead: dict[str, dict[Mode, server.Launch]] = {}


def start_ahead(set_name: str, reports_dir: str, overrides: Mapping[str, Any] | None = None) -> None:
    """Start the servers of a set now, while untimed work runs; `targets` takes them over.

    Only on CPU, with room in memory for both servers beside this process's engines and the reference of the alignment
    section; elsewhere nothing happens, since a device serves one engine at a time.
    """
    job = open_job("serving", set_name, reports_dir, overrides=overrides)
    # The size of the reference takes the import of transformers, so it is asked for last.
    if _may_be_beside(job.params) and fits_beside(job.params, reader_bytes(job.params, "float32")):
        _ahead[_key(job)] = _launch(job, job.params.serving.modes)


def groups(params: Params) -> list[tuple[Mode, ...]]:
    """Modes whose servers run at the same time and are measured in turn; one group for a server that already runs."""
    modes = params.serving.modes
    return [modes] if params.serving.base_url or servers_together(params) else [(mode,) for mode in modes]


@contextlib.contextmanager
def targets(job: Job, modes: Sequence[Mode]) -> Iterator[list[Target]]:
    """The servers of these modes for the length of a `with` block, or the one that already runs.

    Raises:
        MeasurementError: one does not start or answer.
    """
    if job.params.serving.base_url:
        yield [_existing(job.params)]
        return
    launched = _ahead.pop(_key(job), {})
    while _ahead:
        _stop(_ahead.popitem()[1])  # with other commands: nobody asks for them any more
    ahead = bool(launched)
    fits = ahead or fits_beside(job.params)
    if not fits:
        release()
    if not launched:
        require_server(job.params)
        launched = _launch(job, modes)
    try:
        started = _BESIDE if ahead else (_TOGETHER if len(launched) > 1 else "alone")
        found = [_target(job, mode, launched[mode], started, fits) for mode in modes]
        with _alive(launched):
            yield found
    finally:
        _stop(launched)


def _stop(launched: Mapping[Mode, server.Launch]) -> None:
    """Stop servers side by side: each takes seconds to end."""
    with ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(lambda launch_: launch_.stop(), launched.values()))


@contextlib.contextmanager
def _alive(launched: Mapping[Mode, server.Launch]) -> Iterator[None]:
    """Measurements inside the block count only if every server runs until its end.

    Raises:
        MeasurementError: how a server ended, in place of the errors of its unanswered requests.
    """
    failed: MeasurementError | None = None
    try:
        yield
    except MeasurementError as error:
        failed = error
    for mode, launch_ in launched.items():
        if ended := launch_.ended(_ENDING_S if failed else 0.0):
            raise MeasurementError(f"during the load on the {mode} server, {ended}") from failed
    if failed:
        raise failed


def endpoint_of(params: Params) -> Endpoint:
    """The server that already runs (serving.base_url), with its key from the environment."""
    serving = params.serving
    names = (serving.api_key_env,) if serving.api_key_env else KEY_VARIABLES
    key = next((os.environ[name] for name in names if os.environ.get(name)), None)
    return Endpoint.of(serving.base_url or "", key, str(resolve(serving.ca_file)) if serving.ca_file else None)


def _key(job: Job) -> str:
    """The same for jobs with the same servers: report, commands and variables.

    How much is asked of the servers is no part of it: a budget may shorten it after they were started.
    """
    params = job.params
    commands = [launch.serve_argv(params, mode, _port(params, mode)) for mode in params.serving.modes]
    return digest([str(job.folder), commands, environment.server_env(params)])


def _may_be_beside(params: Params) -> bool:
    """Whether the set allows servers beside the engines of this process."""
    engines = params.engine
    return (
        params.platform.backend == "cpu"
        and not params.serving.base_url
        and engines_together(params)
        and engines.kv_cache_gib is not None
    )


def fits_beside(params: Params, more: int = 0) -> bool:
    """Whether the servers fit beside the engines of this process, and `more` bytes of other work."""
    if not _may_be_beside(params):
        return False
    return servers_fit(params, len(params.serving.modes), more)


def _launch(job: Job, modes: Sequence[Mode]) -> dict[Mode, server.Launch]:
    launched: dict[Mode, server.Launch] = {}
    with contextlib.ExitStack() as undo:  # where one cannot be started, the others are stopped
        for mode in modes:
            step(f"starting the {mode} server")
            launched[mode] = _launch_one(job, mode)
            undo.callback(launched[mode].stop)
        undo.pop_all()
    return launched


def _launch_one(job: Job, mode: Mode) -> server.Launch:
    port = _port(job.params, mode)
    server.check_port(job.params.serving.host, port)
    argv = launch.serve_argv(job.params, mode, port=port)
    log = job.folder / "logs" / f"server-{mode}.log"
    program = [launch.program(argv), *argv[1:]]
    return server.Launch(program, environment.server_env(job.params), job.params.serving.host, log)


def _port(params: Params, mode: Mode) -> int:
    """The set's port, the next one for a second mode beside it; 0, which lets the system choose, where it has none."""
    beside = next(group for group in groups(params) if mode in group)
    return params.serving.port + beside.index(mode) if params.serving.port else 0


def _target(job: Job, mode: Mode, launched: server.Launch, started: str, fits: bool) -> Target:
    ready = launched.ready(job.params.serving.startup_timeout_s, step)
    offers = offered(ready.endpoint)
    command = launch.shell(launch.serve_argv(job.params, mode, _port(job.params, mode) or None), launch.env(job.params))
    facts = Server(
        base_url=ready.endpoint.base_url, model=offers.name, command=command, ready_s=ready.ready_s, started=started
    )
    return Target(mode, ready.endpoint, offers, facts, fits)


def _existing(params: Params) -> Target:
    endpoint = endpoint_of(params)
    silent = endpoint.answers()
    if silent is not None and not silent.startswith("HTTP"):
        raise MeasurementError(f"serving.base_url: no server answers at {endpoint.base_url}: {silent}")
    offers = offered(endpoint, params.serving.served_model)
    why = "the server was already running (serving.base_url)"
    facts = Server(
        base_url=endpoint.base_url,
        model=offers.name,
        command=None,
        command_why=why,
        ready_s=None,
        ready_s_why=why,
        started="before this report",
    )
    return Target(RUNNING, endpoint, offers, facts)
