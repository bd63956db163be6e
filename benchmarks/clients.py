"""The serving section's load client against three others: one server, the same load, alternating rounds.

All send the same prompts as text, in the same order, and keep the same number in flight; the server's prefix cache is
off. Figures are those of the whole run (ramp and cool-down included), under vLLM's definitions: those of GuideLLM and
AIPerf are recomputed from their result files by `evalpress reconcile`. Prints each round, the paired ratio ours /
theirs of every metric with its 95 % interval, and the figures that a tool prints under another definition, as a ratio
to vLLM's. With `--apart` the server has one half of the processors and every client the other, so that a client's own
processor time takes nothing from the server.

    python benchmarks/clients.py [--rounds 5] [--mode eager] [--num-prompts 192] [--concurrency 16]
                                 [--clients vllm guidellm aiperf] [--environments .cache/clients] [--apart]

Known difference, not corrected: the others are separate processes (AIPerf: several), ours a thread of this one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import other_clients
import vllm_bench
from evalpress import launch, params
from evalpress.core import stats
from evalpress.core.paths import ROOT
from evalpress.engine import server
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.sections.serving import client, point, window
from evalpress.sections.serving.client import Target
from evalpress.sections.serving.prompts import Prompts
from other_clients import Load
from transformers import AutoTokenizer

METRICS = ("output_throughput", "request_throughput", "mean_ttft_ms", "mean_tpot_ms", "mean_e2el_ms")
THEIRS = """
import sys
from vllm.benchmarks import serve
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
serve.add_cli_args(parser)
serve.main(parser.parse_args(sys.argv[1:]))
"""
Figures = dict[str, float]


def texts(demo: Params, count: int, round_: int) -> tuple[str, ...]:
    """Random tokens of the section's prompts as texts."""
    tokenizer = AutoTokenizer.from_pretrained(ROOT / demo.model.path)
    return tuple(str(tokenizer.decode(ids)) for ids in Prompts.of(demo).draw(count, "clients", round_))


def ours(target: Target, prompts: Sequence[str], concurrency: int) -> Figures:
    """The whole run of one closed loop by the serving section's client."""
    load = client.closed_loop(target, prompts, concurrency)
    counts = sorted({one.input_tokens for one in load.observations if one.input_tokens})
    print(f"         prompts of {counts[0]} to {counts[-1]} tokens, by the server's count", flush=True)
    repeat = point.Repeat(load, window.closed_loop(load.observations, concurrency), concurrency)
    found = point.figures([repeat], {})["whole_run"]
    return {name: float(getattr(found, name)) for name in METRICS}


def bench_serve(load: Load, demo: Params, how: dict[str, Any]) -> dict[str, Any]:
    """The result file of `vllm bench serve`, one value a request included.

    Args:
        how: `max_concurrency` or `request_rate`, and `warmups`.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = ["--save-result", "--result-dir", folder, "--result-filename", "theirs.json"]
        point = {"prompts": load.rows(Path(folder) / "prompts.jsonl", "prompt", "output_tokens"), **how}
        point |= {"output_len": load.output_len, "num_prompts": len(load.prompts)}
        asked = vllm_bench.argv(load.base_url, load.model, load.model, point, 0)
        command = [sys.executable, "-c", THEIRS, *asked, "--tokenizer", str(load.tokenizer), *saved]
        env = {**os.environ, **environment.engine_env(demo), "no_proxy": "*"}
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"vllm bench serve failed:\n{done.stderr[-2000:]}")
        return dict(json.loads((Path(folder) / "theirs.json").read_text()))


def theirs(load: Load, demo: Params) -> Figures:
    """The whole run of `vllm bench serve`."""
    found = bench_serve(load, demo, {"max_concurrency": load.concurrency, "warmups": 8})
    return {name: float(found[name]) for name in METRICS}


def others(name: str, tool: Path, load: Load) -> Figures:
    """The same by GuideLLM or AIPerf; prints the figures that it defines in another way."""
    with tempfile.TemporaryDirectory() as folder:
        found = other_clients.run(name, tool, load, Path(folder) / "out")
    for row in found.rows:
        if row.verdict != "same" and row.metric in METRICS and row.ratio is not None and row.definition:
            print(f"         {name} prints {row.name} as {row.ratio:.3f} of vLLM's {row.metric}: {row.definition}")
    return {key: found.vllm[key] for key in METRICS if key in found.vllm}


def options() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mode", choices=("eager", "compiled"), default="eager")
    parser.add_argument("--num-prompts", type=int, default=192)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--clients", nargs="+", choices=("vllm", *other_clients.VERSIONS), default=["vllm"])
    parser.add_argument("--apart", action="store_true", help="the server and the clients on processors of their own")
    parser.add_argument("--environments", type=Path, default=ROOT / ".cache" / "clients")
    return parser.parse_args()


def main() -> None:
    """Alternate rounds and print the paired ratios."""
    asked = options()
    demo = params.load("demo")
    tools = {name: other_clients.program(name, asked.environments) for name in asked.clients if name != "vllm"}
    argv = launch.serve_argv(demo, asked.mode, port=0)
    program, variables = [launch.program(argv), *argv[1:]], environment.server_env(demo)
    rounds: list[dict[str, Figures]] = []
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        if asked.apart:
            os.sched_setaffinity(0, cores[: len(cores) // 2])
        with server.running(program, variables, demo.serving.host, log, 600) as answering:
            target = Target(answering.endpoint, launch.model_name(demo), demo.serving.output_len, empty_chunks=True)
            if asked.apart:
                os.sched_setaffinity(0, cores[len(cores) // 2 :])
            ours(target, texts(demo, asked.num_prompts, asked.rounds), asked.concurrency)  # warm-up
            names = ["ours", *asked.clients]
            for index in range(asked.rounds):
                found: dict[str, Figures] = {}
                load = Load(
                    base_url=answering.endpoint.base_url,
                    model=launch.model_name(demo),
                    tokenizer=ROOT / demo.model.path,
                    prompts=texts(demo, asked.num_prompts, index),
                    output_len=demo.serving.output_len,
                    concurrency=asked.concurrency,
                )
                for who in names if index % 2 == 0 else reversed(names):
                    if who == "ours":
                        found[who] = ours(target, load.prompts, asked.concurrency)
                    elif who == "vllm":
                        found[who] = theirs(load, demo)
                    else:
                        found[who] = others(who, tools[who], load)
                    show(index, who, found[who])
                rounds.append(found)
    report(rounds, asked.clients)


def show(index: int, who: str, found: Figures) -> None:
    """One line of a round."""
    shown = "  ".join(f"{name} {value:.2f}" for name, value in found.items())
    print(f"round {index + 1}  {who:<8} {shown}", flush=True)


def report(rounds: list[dict[str, Figures]], clients: list[str], metrics: Sequence[str] = METRICS) -> None:
    """The paired ratios of every client and metric."""
    for who in clients:
        for name in metrics:
            pairs = [(one["ours"][name], one[who][name]) for one in rounds if name in one["ours"] and name in one[who]]
            if len(pairs) > 1:
                ratio = stats.paired_ratio([a for a, _ in pairs], [b for _, b in pairs])
                told = f"{ratio.ratio:.3f}, 95 % {ratio.ci_low:.3f} to {ratio.ci_high:.3f}"
                print(f"{name:<20} ours / {who:<8} {told}")


if __name__ == "__main__":
    main()
