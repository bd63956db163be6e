"""Cold and warm starts of the servers by the run book's command, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evalpress import launch
from evalpress.core import stats
from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT
from evalpress.core.plain import Fields, Json
from evalpress.core.progress import step
from evalpress.engine import release, require_server, server, start_log
from evalpress.launch import environment
from evalpress.params.schema import Mode, Params
from evalpress.sections.job import Job
from evalpress.sections.serving import left_out, servers
from evalpress.sections.serving.start_results import PHASES, Kind, ServedStart, StartFigures, Starts

_NONE = "the set asks for none (serving.starts)"
_ENOUGH = 3
_NOT_ASKED = "the set does not ask for it (serving.starts.bench)"
_BENCH = """
import sys
from vllm.benchmarks import startup
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
startup.add_cli_args(parser)
if __name__ == "__main__":
    startup.main(parser.parse_args(sys.argv[1:]))
"""
"""`vllm bench startup`, also where the `vllm` command is missing. It starts each engine in a spawned process, which
imports this file again."""


def measure(job: Job) -> tuple[Starts | None, str | None]:
    """The set's repeated starts, or None and why there are none; the servers of the load have ended before."""
    asked = job.params.serving.starts
    if job.params.serving.base_url:
        return None, "the server was already running (serving.base_url)"
    if not asked.cold and not asked.warm:
        return None, left_out.why(job, (left_out.COLD, left_out.WARM), _NONE)
    require_server(job.params)
    if not servers.fits_beside(job.params):
        release()
    found: list[ServedStart] = []
    for number in range(max(asked.cold, asked.warm)):
        for mode in job.params.serving.modes if number % 2 == 0 else reversed(job.params.serving.modes):
            with tempfile.TemporaryDirectory(prefix="evalpress-cold-") as folder:
                cache = _caches(Path(folder)) if number < asked.cold else {}
                if number < asked.cold:
                    found.append(_start(job, mode, "cold", number + 1, cache))
                if number < asked.warm:
                    found.append(_start(job, mode, "warm", number + 1, cache))
    beside = {mode: _bench(job, mode) for mode in job.params.serving.modes}
    return Starts(figures=tuple(_figures(found, beside)), starts=tuple(found)), None


def _caches(folder: Path) -> dict[str, str]:
    """Variables for compile caches of their own: vLLM's and Inductor's."""
    return {"VLLM_CACHE_ROOT": str(folder / "vllm"), "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}


def _start(job: Job, mode: Mode, kind: Kind, number: int, cache: Mapping[str, str]) -> ServedStart:
    """One start, stopped as soon as it answers.

    Raises:
        MeasurementError: it does not answer.
    """
    step(f"{kind} start {number} of the {mode} server")
    params = job.params
    argv = launch.serve_argv(params, mode, port=0)
    log = job.folder / "logs" / f"start-{mode}-{kind}-{number}.log"
    program, env = [launch.program(argv), *argv[1:]], {**environment.server_env(params), **cache}
    with server.running(program, env, params.serving.host, log, params.serving.startup_timeout_s, step) as answering:
        ready = answering.ready_s
    told = start_log.parse(log.read_text(encoding="utf-8", errors="replace")).startup
    phases: Fields = {}
    for key in (*PHASES, "compile_cache"):
        phases[key] = told.get(key)
        if phases[key] is None:
            phases[f"{key}_why"] = told.get(f"{key}_why") or "the server's log does not tell"
    return ServedStart(mode=mode, kind=kind, ready_s=ready, **phases)


def _figures(found: Sequence[ServedStart], beside: Mapping[str, Any]) -> list[StartFigures]:
    kinds: tuple[Kind, ...] = ("cold", "warm")
    pairs = [(mode, kind) for mode in dict.fromkeys(one.mode for one in found) for kind in kinds]
    groups = {(mode, kind): [o for o in found if o.mode == mode and o.kind == kind] for mode, kind in pairs}
    return [_of_one(mode, kind, ones, beside[mode]) for (mode, kind), ones in groups.items() if ones]


def _of_one(mode: str, kind: Kind, ones: Sequence[ServedStart], beside: Mapping[str, Any] | str) -> StartFigures:
    ready = [one.ready_s for one in ones]
    bounds = stats.mean_interval(ready) if len(ready) >= _ENOUGH else None
    few = f"{len(ready)} of the {_ENOUGH} starts that an interval needs"
    parts: Fields = {}
    for key, bound in zip(("ready_s_low", "ready_s_high"), bounds or (None, None), strict=True):
        parts |= {key: bound} if bound is not None else {key: None, f"{key}_why": few}
    for key in PHASES:
        values = [value for one in ones if (value := getattr(one, key)) is not None]
        why = getattr(ones[0], f"{key}_why") or "not told by every start"
        parts |= {key: float(np.mean(values))} if len(values) == len(ones) else {key: None, f"{key}_why": why}
    times = beside if isinstance(beside, str) else beside.get(f"{kind}_startup_times") or "it gave no such time"
    mean = float(np.mean(ready))
    if isinstance(times, str):
        parts |= dict.fromkeys(("bench_startup_s", "bench_ratio"))
        parts |= {f"{key}_why": times for key in ("bench_startup_s", "bench_ratio")}
    else:
        parts |= {"bench_startup_s": float(np.mean(times)), "bench_ratio": mean / float(np.mean(times))}
    return StartFigures(mode=mode, kind=kind, starts=len(ones), ready_s=mean, **parts)


def _bench(job: Job, mode: Mode) -> Json | str:
    """What `vllm bench startup` gives for as many starts, or why it gives nothing."""
    asked, params = job.params.serving.starts, job.params
    if not asked.bench:
        return _NOT_ASKED
    step(f"vllm bench startup, {mode}")
    with tempfile.TemporaryDirectory(prefix="evalpress-bench-") as folder:
        script, output = Path(folder) / "bench_startup.py", Path(folder) / "times.json"
        script.write_text(_BENCH, encoding="utf-8")
        counts = {"cold": max(asked.cold, 1), "warmup": 1, "warm": max(asked.warm, 1)}  # it takes no 0
        numbers = [text for name, count in counts.items() for text in (f"--num-iters-{name}", str(count))]
        command = [
            sys.executable,
            str(script),
            *launch.engine_argv(params, mode),
            *numbers,
            "--output-json",
            str(output),
        ]
        env = {**os.environ, **environment.server_env(params), **_caches(Path(folder))}
        return _result(command, env, output, params)


def _result(command: Sequence[str], env: Mapping[str, str], output: Path, params: Params) -> Json | str:
    asked = params.serving.starts
    longest = params.serving.startup_timeout_s * (asked.cold + asked.warm + 1)
    try:
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=longest, check=False)
        found = json.loads(output.read_text(encoding="utf-8"))
    except subprocess.TimeoutExpired:
        return f"vllm bench startup took longer than {longest:.0f} s"
    except (OSError, ValueError):
        said = done.stderr.strip().splitlines()[-1:] or ["it wrote no result"]
        if "No module named 'vllm.benchmarks.startup'" in done.stderr or "cannot import name 'startup'" in done.stderr:
            return "this vLLM has no vllm bench startup"
        return f"vllm bench startup failed: {said[0][:200]}"
    return dict(found) if isinstance(found, dict) else "vllm bench startup wrote no object"


def or_why(job: Job) -> tuple[Starts | None, str | None]:
    """As `measure`; a start that fails leaves the reason, since everything else was measured before."""
    try:
        return measure(job)
    except MeasurementError as error:
        return None, str(error)
