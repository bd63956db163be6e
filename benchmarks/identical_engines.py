"""Does the benchmark call two identical engines equal?

Loads the demo model's eager engine twice and compares the two as the benchmark compares modes: paired blocks in
A B B A order, geometric mean of paired ratios, 95 % interval. Does so several times and prints how often the interval
contains 1, which it should in 19 of 20.

    python benchmarks/identical_engines.py [--runs 20] [--blocks 6]
"""

from __future__ import annotations

import argparse
import os
import sys

from evalpress import engine, kernel_env, params, stats
from evalpress.bench.run import prompts, run_block


def main() -> None:
    """Print a line per run and the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=6)
    asked = parser.parse_args()
    demo = params.load("demo")
    environment = kernel_env.engine_env(demo) | kernel_env.preload_env(demo)
    if any(os.environ.get(name) != value for name, value in environment.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **environment})
    load = demo.benchmark.workloads["throughput"]
    first = engine.get(demo, "eager")
    # Another seed is another engine to the engine room; greedy requests of fixed length do not draw from it.
    second = engine.load_beside(demo, "eager")
    inside = 0
    for run in range(asked.runs):
        rates: dict[int, list[float]] = {0: [], 1: []}
        for block in range(-1, asked.blocks):
            requests = prompts(demo, load, f"identical {run}", block + 1, first)
            for which in (0, 1) if block % 2 == 0 else (1, 0):
                observed = run_block((first, second)[which], load, requests)
                if block >= 0:
                    tokens = sum(request["output_tokens"] for request in observed["requests"])
                    rates[which].append(tokens / observed["duration"])
        found = stats.paired_ratio(rates[1], rates[0])
        assert found.ci_low is not None and found.ci_high is not None
        contains = found.ci_low <= 1 <= found.ci_high
        inside += contains
        words = "contains 1" if contains else "does not contain 1"
        print(f"run {run + 1:2}: {found.ratio:.3f} ({found.ci_low:.3f} to {found.ci_high:.3f}) {words}", flush=True)
    print(f"{inside} of {asked.runs} intervals contain 1")


if __name__ == "__main__":
    main()
