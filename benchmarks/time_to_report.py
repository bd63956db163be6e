"""Where the wall time of `evalpress report --set demo` goes, and what the same figures cost with vLLM's own commands.

Makes the report once with everything measured (`--force`) in a scratch folder, splits its time by the records of the
notebooks, the results and the raw observations, renders it once more, and then runs vLLM's own benchmark commands
one after the other for the same set of metrics: throughput and latency of every workload and the start-up in both
modes, and a server in both modes with `bench serve` at every level and rate, as many requests as the report sent. The
report is made once more after them, since a shared machine is not equally fast for ten minutes.

    python benchmarks/time_to_report.py [--no-commands] [--reports-dir DIR]

The floor is the necessary part: importing vLLM, loading engines, starting servers, and measured work with its
warm-up, which for the load on servers is all that vLLM's client does. A server's start that other sections hide is not
in it twice.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import vllm_bench
from evalpress import launch, params
from evalpress.core.paths import ROOT
from evalpress.engine import server
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.params.schema import BenchmarkParams, Mode
from evalpress.sections.benchmark.block import WARM_UP_TOKENS
from evalpress.sections.registry import EXECUTION, SUMMARY

COMMAND = """
import sys
from importlib import import_module
from vllm.utils.argparse_utils import FlexibleArgumentParser
module = import_module("vllm.benchmarks." + sys.argv[1])
parser = FlexibleArgumentParser()
module.add_cli_args(parser)
module.main(parser.parse_args(sys.argv[2:]))
"""


def report(folder: Path) -> tuple[float, float]:
    """Seconds for the whole report, everything measured, and for rendering it again."""
    base = [sys.executable, "-m", "evalpress"]
    where = ["--set", "demo", "--reports-dir", str(folder)]
    whole = _timed([*base, "report", *where, "--force"], allowed=(0, 1))
    (folder / "demo" / "report.html").unlink()  # so that there is something to render
    return whole, _timed([*base, "render", *where], allowed=(0, 1))


def parts(folder: Path) -> Iterator[tuple[str, float, bool]]:
    """The report's time by its own records: name, seconds, whether it belongs to the floor."""
    results = {path.stem: json.loads(path.read_text())["data"] for path in (folder / "results").glob("*.json")
               if path.stem != "status"}  # fmt: skip
    raw = folder / "results" / "raw"
    modes = results["benchmark"]["modes"]
    yield "import vLLM", modes["eager"]["startup"]["import_s"], True
    loads = sum(m["startup"]["total_s"] - m["startup"]["import_s"] - m["startup"]["config_s"] for m in modes.values())
    yield "load both engines", loads + modes["eager"]["startup"]["config_s"], True
    blocks = json.loads((raw / "benchmark-blocks.json").read_text())
    warm = params.load("demo").benchmark
    measured = sum(_with_warm_up(warm, name, by_mode) for name, by_mode in blocks.items())
    yield "workloads with their warm-up", measured, True
    curves = json.loads((raw / "benchmark-scaling.json").read_text())
    runs = [run["duration"] for by_mode in curves.values() for runs in by_mode.values() for run in runs]
    repeats = warm.scaling.repeats if warm.scaling else 1
    yield "scaling with its warm-up", sum(runs) * (1 + 1 / repeats), True
    ceilings = results["benchmark"]["ceilings"]
    yield "peak rates", sum(one["seconds"] for one in ceilings["rounds"]), True
    serving = results["serving"]
    inside = [row["e2el"] for path in raw.glob("serving-*-in-process.json") for row in json.loads(path.read_text())]
    yield "the same requests without a server", sum(inside), True
    clients = sum(point["client_s"] for key in ("levels", "rates") for point in serving[key])
    yield "load on the servers", clients, True
    times = {section.name: _notebook_seconds(folder, section.notebook) for section in (*EXECUTION, SUMMARY)}
    for name in ("alignment", "quality", "evidence"):
        yield f"{name} (notebook)", times[name], True
    ready = max(found["ready_s"] for found in serving["servers"].values())
    yield "waiting for the servers, after those sections", max(0.0, ready - times["alignment"] - times["quality"]), True


def _with_warm_up(asked: BenchmarkParams, name: str, by_mode: dict[str, list[dict[str, Any]]]) -> float:
    """Seconds of a workload's blocks and of those before them, which generate fewer tokens."""
    measured = sum(block["duration"] for blocks in by_mode.values() for block in blocks)
    shorter = min(1.0, WARM_UP_TOKENS / asked.workloads[name].output_len)
    return float(measured * (1 + shorter * asked.warmup_blocks / asked.blocks))


def _notebook_seconds(folder: Path, notebook: str) -> float:
    cells = json.loads((folder / "notebooks" / f"{notebook}.ipynb").read_text())["metadata"]["papermill"]
    return float(cells["duration"])


def commands(demo: Params, made: Path, folder: Path) -> Iterator[tuple[str, float]]:
    """vLLM's own commands for the same metrics as the report in `made`, each a process: name and seconds."""
    serving = json.loads((made / "results" / "serving.json").read_text())["data"]
    variables = environment.engine_env(demo) | environment.preload_env(demo)
    for mode in demo.engine.modes:
        shared = ["--model", str(ROOT / demo.model.path), "--dtype", demo.engine.dtype, "--seed", "0"]
        shared += ["--max-model-len", str(demo.engine.max_model_len), "--no-enable-prefix-caching"]
        shared += ["--max-num-seqs", str(demo.engine.max_num_seqs)]
        if demo.engine.kv_cache_gib:
            shared += ["--kv-cache-memory-bytes", str(int(demo.engine.kv_cache_gib * 2**30))]
        shared += ["--enforce-eager"] if mode == "eager" else []
        for name, load in demo.benchmark.workloads.items():
            shape = ["--random-input-len", str(load.input_len), "--random-output-len", str(load.output_len)]
            count = str(load.num_prompts * demo.benchmark.blocks)
            asked = [*shared, "--dataset-name", "random", *shape, "--num-prompts", count]
            yield f"throughput {name} {mode}", _bench("throughput", asked, variables)
        points = [point for key in ("levels", "rates") for point in serving[key] if point["mode"] == mode]
        yield from _serve(demo, mode, points, folder)


def _serve(demo: Params, mode: Mode, points: list[dict[str, Any]], folder: Path) -> Iterator[tuple[str, float]]:
    argv = launch.serve_argv(demo, mode, port=0)
    start = time.monotonic()
    program, log = [launch.program(argv), *argv[1:]], folder / f"{mode}.log"
    with server.running(program, environment.server_env(demo), demo.serving.host, log, 600) as answering:
        base_url = answering.endpoint.base_url
        yield f"server {mode}", time.monotonic() - start
        for point in points:
            asked = vllm_bench.argv(base_url, launch.model_name(demo), launch.model_name(demo), point, 0)
            asked += ["--tokenizer", str(ROOT / demo.model.path)]
            label = point.get("max_concurrency") or f"{point['request_rate']:g}/s"
            yield f"bench serve {mode} {label}", _bench("serve", asked, {})


def _bench(command: str, arguments: list[str], environment: dict[str, str]) -> float:
    return _timed([sys.executable, "-c", COMMAND, command, *arguments], environment)


def _timed(command: list[str], environment: dict[str, str] | None = None, allowed: tuple[int, ...] = (0,)) -> float:
    start = time.monotonic()
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, cwd=ROOT, capture_output=True, text=True)
    if done.returncode not in allowed:
        sys.exit(f"{' '.join(command[:6])} … failed:\n{done.stderr[-2000:]}")
    return time.monotonic() - start


def main() -> None:
    """Print the parts, the ratio to the floor and the commands' time beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports-dir", type=Path, help="keep the report there; by default it is thrown away")
    parser.add_argument("--no-commands", action="store_true", help="leave vLLM's own commands out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.reports_dir or Path(scratch)
        whole, again = report(folder)
        floor = 0.0
        for name, seconds, counts in parts(folder / "demo"):
            floor += seconds if counts else 0.0
            print(f"{name:<50} {seconds:7.1f} s")
        print(f"{'the rest: kernel, papermill, rendering, Python':<50} {whole - floor:7.1f} s")
        print(f"{'whole report':<50} {whole:7.1f} s, {whole / floor:.3f} times its floor of {floor:.1f} s", flush=True)
        print(f"{'rendering again':<50} {again:7.1f} s", flush=True)
        if asked.no_commands:
            return
        total = 0.0
        for name, seconds in commands(params.load("demo"), folder / "demo", Path(scratch)):
            total += seconds
            print(f"{name:<50} {seconds:7.1f} s", flush=True)
        after, _ = report(Path(scratch) / "after")
        print(f"{'whole report, once more':<50} {after:7.1f} s")
        both = (whole + after) / 2
        print(f"vLLM's own commands one after the other: {total:.1f} s, {total / both:.2f} times the two reports' mean")


if __name__ == "__main__":
    main()
