"""Does the benchmark call two identical engines equal?

Loads the demo model's eager engine twice and compares the two as the benchmark compares modes: all workloads in turn,
paired blocks in A B B A order, geometric mean of paired ratios, 95 % interval. Does so several times and prints how
often the interval contains 1, which it should in 19 of 20. Two engines differ in their memory addresses; with --same
one engine is measured under two names, which tests the method alone. With --series one engine is measured block after
block, and every stretch of it is cut into pairs: hundreds of overlapping comparisons of an engine with itself on this
machine's own noise.

    python benchmarks/identical_engines.py [--runs 20] [--blocks 6] [--same | --series 420]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from evalpress import engine, params
from evalpress.core import stats
from evalpress.engine import Engine
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.sections.benchmark.block import prompts, run_block
from evalpress.sections.benchmark.comparison import compare
from evalpress.sections.benchmark.observations import Block


def _contain_one(demo: Params, engines: tuple[Engine, Engine], run: int, blocks: int) -> dict[str, bool]:
    """One comparison of the two engines on every workload of the set, which take turns; prints a line for each."""
    loads = demo.benchmark.workloads
    observed: dict[str, tuple[list[Block], list[Block]]] = {name: ([], []) for name in loads}
    for block in range(-1, blocks):
        for name, load in loads.items():
            requests = prompts(demo, load, f"identical {name} {run}", block + 1, engines[0])
            for which in (0, 1) if block % 2 == 0 else (1, 0):
                found = run_block(engines[which], load, requests)
                if block >= 0:
                    observed[name][which].append(found)
    return {name: _contains_one(f"run {run + 1:2} {name}", *pair) for name, pair in observed.items()}


def _contains_one(what: str, first: list[Block], second: list[Block]) -> bool:
    found = compare(first, second)["output_throughput"]
    if found.ci_low is None or found.ci_high is None:
        sys.exit(f"--blocks: {found.ci_low_why}")
    contains = found.ci_low <= 1 <= found.ci_high
    words = "contains 1" if contains else "does not contain 1"
    print(f"{what}: {found.ratio:.3f} ({found.ci_low:.3f} to {found.ci_high:.3f}) {words}", flush=True)
    return contains


def _series(demo: Params, count: int, pairs: int) -> str:
    """Measure one engine `count` times in a row; the share of its stretches whose interval contains 1, in words."""
    loaded = engine.get(demo, "eager")
    load = demo.benchmark.workloads["throughput"]
    seconds = []
    for block in range(-1, count):
        observed = run_block(loaded, load, prompts(demo, load, "series", block + 1, loaded))
        if block >= 0:
            seconds.append(observed.duration)
    inside = [_stretch_contains_one(seconds[start : start + 2 * pairs]) for start in range(count - 2 * pairs + 1)]
    return f"{sum(inside)} of {len(inside)} stretches of {2 * pairs} blocks ({sum(inside) / len(inside):.1%}) contain 1"


def _stretch_contains_one(seconds: list[float]) -> bool:
    """Neighbouring blocks as pairs, A B B A."""
    neighbours = zip(seconds[::2], seconds[1::2], strict=True)
    turned = [(b, a) if index % 2 else (a, b) for index, (a, b) in enumerate(neighbours)]
    found = stats.paired_ratio([a for a, _ in turned], [b for _, b in turned])
    assert found.ci_low is not None and found.ci_high is not None
    return found.ci_low <= 1 <= found.ci_high


def main() -> None:
    """Print a line per run and the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--same", action="store_true", help="one engine under two names: the method alone")
    parser.add_argument("--series", type=int, default=0, help="blocks of one engine, compared over every stretch")
    asked = parser.parse_args()
    demo = params.load("demo")
    variables = environment.engine_env(demo) | environment.preload_env(demo)
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})
    if asked.series:
        print(_series(demo, asked.series, asked.blocks))
        return
    first = engine.get(demo, "eager")
    beside = contextlib.nullcontext(first) if asked.same else engine.fresh(demo, "eager")
    with beside as second:
        runs = [_contain_one(demo, (first, second), run, asked.blocks) for run in range(asked.runs)]
    for name in demo.benchmark.workloads:
        print(f"{name}: {sum(run[name] for run in runs)} of {len(runs)} intervals contain 1")


if __name__ == "__main__":
    main()
