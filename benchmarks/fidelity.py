"""Ours against `vllm bench throughput`: the same model, workload and engine settings, alternating, several rounds.

Each measurement is a process of its own with the same environment: it loads an engine, runs a warm-up of the
workload's size and then the workload once. Prints output throughput of both per round and the paired ratio
ours / theirs with its 95 % interval.

    python benchmarks/fidelity.py [--rounds 5] [--mode eager] [--num-prompts 400]

Known differences, none of them tuned away: theirs draws its random prompts through the tokenizer and shows a
progress bar while it generates; ours sends token ids and records every request's and token's time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from evalpress import kernel_env, params, stats
from evalpress.bench import workload
from evalpress.engine import Sampling
from evalpress.params import Params, Workload
from evalpress.paths import ROOT

INPUT_LEN, OUTPUT_LEN = 64, 50
THEIRS = """
import sys
from vllm.benchmarks.throughput import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args(sys.argv[1:]))
"""


def theirs(demo: Params, mode: str, count: int, environment: dict[str, str]) -> float:
    """Output tokens per second by vLLM's own benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        flags = ["--model", str(ROOT / demo.model.path), "--dtype", demo.engine.dtype, "--seed", "0"]
        flags += ["--max-model-len", str(demo.engine.max_model_len), "--no-enable-prefix-caching"]
        flags += ["--dataset-name", "random", "--input-len", str(INPUT_LEN), "--output-len", str(OUTPUT_LEN)]
        flags += ["--num-prompts", str(count), "--num-warmups", str(count), "--output-json", str(out)]
        flags += ["--enforce-eager"] if mode == "eager" else []
        _run([sys.executable, "-c", THEIRS, *flags], environment)
        found = json.loads(out.read_text())
    return count * OUTPUT_LEN / float(found["elapsed_time"])


def ours(mode: str, count: int, environment: dict[str, str]) -> float:
    """Output tokens per second by this suite's engine room and definition."""
    printed = _run([sys.executable, __file__, "--once", "--mode", mode, "--num-prompts", str(count)], environment)
    return float(printed.strip().splitlines()[-1])


def once(demo: Params, mode: str, count: int) -> None:
    """One measurement in this process; the last line printed is the throughput."""
    from evalpress import engine
    from evalpress.bench.run import run_block

    load = Workload(num_prompts=count, input_len=INPUT_LEN, output_len=OUTPUT_LEN)
    loaded = engine.get(demo, mode)  # type: ignore[arg-type]
    vocabulary = loaded.llm.llm_engine.model_config.get_vocab_size()
    sampling = Sampling(max_tokens=OUTPUT_LEN, temperature=1.0, ignore_eos=True)
    for block in range(2):
        prompts = workload.prompts(load, vocabulary, 0, "fidelity", block, frozenset({0}))
        observed = run_block(loaded, load, prompts, sampling)
    print(count * OUTPUT_LEN / observed["duration"])


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} … failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    """Alternate rounds and print the paired ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mode", choices=("eager", "compiled"), default="eager")
    parser.add_argument("--num-prompts", type=int, default=400)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    demo = params.load("demo")
    if asked.once:
        once(demo, asked.mode, asked.num_prompts)
        return
    environment = kernel_env.engine_env(demo) | kernel_env.preload_env(demo)
    pairs: dict[str, list[float]] = {"ours": [], "theirs": []}
    for index in range(asked.rounds):
        for who in ("ours", "theirs") if index % 2 == 0 else ("theirs", "ours"):
            value = (
                ours(asked.mode, asked.num_prompts, environment)
                if who == "ours"
                else theirs(demo, asked.mode, asked.num_prompts, environment)
            )
            pairs[who].append(value)
            print(f"round {index + 1}  {who:<7} {value:10.1f} output tok/s", flush=True)
    ratio = stats.paired_ratio(pairs["ours"], pairs["theirs"])
    print(f"ours / theirs: {ratio.ratio:.4f} (95 % {ratio.ci_low:.4f} to {ratio.ci_high:.4f}, {ratio.n_pairs} pairs)")


if __name__ == "__main__":
    main()
