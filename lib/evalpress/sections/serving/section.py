"""The serving section: servers in both modes, the run book's own curl, a streaming client, load, HTTP's cost."""

from __future__ import annotations

from typing import Any

from evalpress import engine
from evalpress.core.progress import step
from evalpress.engine import client
from evalpress.params.schema import Mode
from evalpress.platforms.host import usable_cores
from evalpress.sections.evidence import server_answers
from evalpress.sections.job import Job
from evalpress.sections.serving import http_cost, identities, load, requests, servers

_ALONE = "this process's engines were released before the servers took the device or the memory"


def measure(job: Job) -> dict[str, Any]:
    """Start (or reach) the servers, ask them, load them, stop them; observations go to `results/raw`.

    Raises:
        MeasurementError: a server does not start or answer, or all requests of a point fail.
    """
    params = job.params
    engine.import_vllm(params)
    data: dict[str, Any] = {"servers": {}, "levels": [], "rates": []}
    groups = servers.groups(params) if not params.serving.base_url else [params.serving.modes]
    for group in groups:
        with servers.targets(job, group) as targets:
            _ask(job, targets, data)
            inside = http_cost.in_process(job, _loaded(job, targets))
            levels, rates = load.points(job, targets)
        data["levels"] += levels
        data["rates"] += rates
        data.setdefault("http_cost", []).extend(http_cost.compare(job, levels, inside))
    if not data["http_cost"]:
        data["http_cost_why"] = _ALONE if not params.serving.base_url else "the server is not this suite's own"
    data["saturation"] = load.saturation(data["levels"], params.engine.max_num_seqs)
    data["identities"] = identities.check(data["levels"] + data["rates"])
    data["slo_ms"] = dict(params.serving.slo)
    return data | {"client": client.version_note(), "cores": usable_cores()}


def _loaded(job: Job, targets: list[servers.Target]) -> tuple[Mode, ...]:
    """Modes whose engine fits into this process beside the servers."""
    fitting = {target.mode for target in targets if target.beside_engines}
    return tuple(mode for mode in job.params.serving.modes if mode in fitting)


def _ask(job: Job, targets: list[servers.Target], data: dict[str, Any]) -> None:
    for target in targets:
        data["servers"][target.mode] = {"base_url": target.base_url, "model": target.served} | target.facts
    if "curl" not in data:
        first = targets[0]
        data["curl"] = requests.curl(first.base_url, first.served) | {"mode": first.mode}
        step("the evidence prompts")
        server_answers.ask(job, first.base_url, first.served)
        data["stream"] = requests.stream(first.base_url, first.served, job.params) | {"mode": first.mode}
