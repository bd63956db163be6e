"""Does the benchmark call two identical engines equal?

Loads the demo model's eager engine twice and compares the two as the benchmark compares modes: paired blocks in
A B B A order, geometric mean of paired ratios, 95 % interval. Does so several times and prints how often the interval
contains 1, which it should in 19 of 20. Two engines differ in where their memory lies; with --same one engine is
measured under two names, which tests the method alone.

    python benchmarks/identical_engines.py [--runs 20] [--blocks 6] [--same]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from evalpress import engine, kernel_env, params, stats
from evalpress.bench.run import prompts, run_block
from evalpress.engine import Engine
from evalpress.params import Params


def _contains_one(demo: Params, engines: tuple[Engine, Engine], run: int, blocks: int) -> bool:
    """One comparison of the two engines; prints its line."""
    load = demo.benchmark.workloads["throughput"]
    rates: dict[int, list[float]] = {0: [], 1: []}
    for block in range(-1, blocks):
        requests = prompts(demo, load, f"identical {run}", block + 1, engines[0])
        for which in (0, 1) if block % 2 == 0 else (1, 0):
            observed = run_block(engines[which], load, requests)
            if block >= 0:
                tokens = sum(request["output_tokens"] for request in observed["requests"])
                rates[which].append(tokens / observed["duration"])
    found = stats.paired_ratio(rates[1], rates[0])
    assert found.ci_low is not None and found.ci_high is not None
    contains = found.ci_low <= 1 <= found.ci_high
    words = "contains 1" if contains else "does not contain 1"
    print(f"run {run + 1:2}: {found.ratio:.3f} ({found.ci_low:.3f} to {found.ci_high:.3f}) {words}", flush=True)
    return contains


def main() -> None:
    """Print a line per run and the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--same", action="store_true", help="one engine under two names: the method alone")
    asked = parser.parse_args()
    demo = params.load("demo")
    environment = kernel_env.engine_env(demo) | kernel_env.preload_env(demo)
    if any(os.environ.get(name) != value for name, value in environment.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **environment})
    first = engine.get(demo, "eager")
    beside = contextlib.nullcontext(first) if asked.same else engine.fresh(demo, "eager")
    with beside as second:
        inside = sum(_contains_one(demo, (first, second), run, asked.blocks) for run in range(asked.runs))
    print(f"{inside} of {asked.runs} intervals contain 1")


if __name__ == "__main__":
    main()
