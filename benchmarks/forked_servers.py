"""Is a forked server as fast as one that the run book's command started? Both side by side, in turns, whole ratios.

    python benchmarks/forked_servers.py [--pairs N] [--mode compiled|eager] [--concurrency N ...]

One server of each kind is up; vLLM's own client loads them alternately (A B B A) with the same requests.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evalpress import launch as runbook
from evalpress import params
from evalpress.core import stats
from evalpress.core.paths import ROOT
from evalpress.engine import client, server
from evalpress.launch import environment as kernel_env
from evalpress.params import Params
from evalpress.params.schema import Mode
from evalpress.sections.serving.servers import prepare

KINDS = ("forked", "by the command")
WAVES = 3
"""Requests per pair and server for each that is in flight."""
READY_S = 600


@contextlib.contextmanager
def both(demo: Params, mode: Mode, folder: Path) -> Iterator[dict[str, str]]:
    """Base URLs of the two servers, by kind."""
    with contextlib.ExitStack() as running:
        launched = {}
        for kind in KINDS:
            port = server.free_port("127.0.0.1", 0)
            argv = runbook.serve_argv(demo, mode, port=port)
            launched[kind] = server.Launch(
                [runbook.program(argv), *argv[1:]],
                kernel_env.server_env(demo),
                f"http://127.0.0.1:{port}",
                folder / f"{kind}.log",
                fork=kind == "forked",
            )
            running.callback(launched[kind].stop)
        yield {kind: launch.ready(READY_S, lambda text: None).base_url for kind, launch in launched.items()}


def load(demo: Params, base_url: str, concurrency: int, seed: int) -> float:
    """Output tokens per second of a closed loop."""
    asked = {
        "input_len": demo.serving.input_len,
        "output_len": demo.serving.output_len,
        "num_prompts": max(16, WAVES * concurrency),
        "max_concurrency": concurrency,
        "warmups": min(concurrency, 8),
    }
    name = runbook.model_name(demo)
    arguments = client.argv(base_url, name, name, asked, seed)
    with contextlib.redirect_stdout(None):
        found = client.bench([*arguments, "--tokenizer", str(ROOT / demo.model.path)])
    return float(found["output_throughput"])


def main() -> None:
    """Print each pair and, for every level, the ratio with its interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--mode", choices=("eager", "compiled"), default="compiled")
    parser.add_argument("--concurrency", type=int, nargs="+", help="by default the set's highest level")
    asked = parser.parse_args()
    demo = params.load("demo")
    environment = kernel_env.engine_env(demo) | kernel_env.preload_env(demo)
    if any(os.environ.get(name) != value for name, value in environment.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **environment})
    with tempfile.TemporaryDirectory() as folder:
        prepare("demo", folder)  # before this process has a second thread
        with both(demo, asked.mode, Path(folder)) as urls:
            for concurrency in asked.concurrency or demo.serving.concurrency[-1:]:
                found: dict[str, list[float]] = {kind: [] for kind in KINDS}
                load(demo, urls[KINDS[0]], concurrency, 0), load(demo, urls[KINDS[1]], concurrency, 0)
                for pair in range(asked.pairs):
                    for kind in KINDS if pair % 2 == 0 else reversed(KINDS):
                        found[kind].append(load(demo, urls[kind], concurrency, pair + 1))
                    print(", ".join(f"{kind} {values[-1]:.0f} tok/s" for kind, values in found.items()), flush=True)
                ratio = stats.paired_ratio(found["forked"], found["by the command"])
                print(
                    f"{concurrency} at a time, forked / by the command: {ratio.ratio:.3f} "
                    f"(95 % {ratio.ci_low:.3f} to {ratio.ci_high:.3f}, {ratio.n_pairs} pairs)"
                )


if __name__ == "__main__":
    main()
