"""Ours against vLLM's own benchmarks: the same model, workload and engine settings, alternating, several rounds.

Each measurement runs a warm-up of the workload's size and then the workload once. Prints output throughput of both per
round and the paired ratio ours / theirs with its 95 % interval.

    python benchmarks/fidelity.py [--rounds 5] [--mode eager] [--num-prompts 400] [--one-engine [--text]]

Without an option against `vllm bench throughput`, each measurement a separate process. With --one-engine both measure
the same loaded engine in turn, with the same prompts as token ids, which removes differences between two processes
and in the form of the prompts from the ratio; with --text theirs draws its own prompts, which are text. The
serving section's client is compared with `vllm bench serve` by benchmarks/clients.py.

Known differences, not corrected: prompts that are text are turned into tokens within theirs' measured time;
theirs shows a progress bar; ours records every request's and token's time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from evalpress import params
from evalpress.core import stats
from evalpress.core.paths import ROOT
from evalpress.engine import Sampling
from evalpress.launch import environment
from evalpress.params import Params, Workload
from evalpress.sections.benchmark import random_prompts

INPUT_LEN, OUTPUT_LEN = 64, 50
Pairs = dict[str, list[float]]
THEIRS = """
import sys
from importlib import import_module
from vllm.utils.argparse_utils import FlexibleArgumentParser
module = import_module("vllm.benchmarks." + sys.argv[1])
parser = FlexibleArgumentParser()
module.add_cli_args(parser)
module.main(parser.parse_args(sys.argv[2:]))
"""
TOKENS_WITHIN = 0.02
"""Its random prompts are text: encoded again, a few come out a token longer or shorter."""


def theirs(demo: Params, mode: str, count: int, variables: dict[str, str]) -> float:
    """Output tokens per second by vLLM's own benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        flags = ["--model", str(ROOT / demo.model.path), "--dtype", demo.engine.dtype, "--seed", "0"]
        flags += ["--max-model-len", str(demo.engine.max_model_len), "--no-enable-prefix-caching"]
        flags += ["--max-num-seqs", str(demo.engine.max_num_seqs)]
        if demo.engine.kv_cache_gib:
            flags += ["--kv-cache-memory-bytes", str(int(demo.engine.kv_cache_gib * 2**30))]
        flags += ["--dataset-name", "random", "--random-input-len", str(INPUT_LEN)]
        flags += ["--random-output-len", str(OUTPUT_LEN)]
        flags += ["--num-prompts", str(count), "--num-warmups", str(count), "--output-json", str(out)]
        flags += ["--enforce-eager"] if mode == "eager" else []
        _run([sys.executable, "-c", THEIRS, "throughput", *flags], variables)
        found = json.loads(out.read_text())
    wanted, drawn = count * (INPUT_LEN + OUTPUT_LEN), int(found["total_num_tokens"])
    if abs(drawn / wanted - 1) > TOKENS_WITHIN:
        sys.exit(f"vllm bench throughput ran {drawn:,} tokens, {wanted:,} were asked for")
    return count * OUTPUT_LEN / float(found["elapsed_time"])


def ours(mode: str, count: int, variables: dict[str, str]) -> float:
    """Output tokens per second by this suite's engine package and definition."""
    printed = _run([sys.executable, __file__, "--once", "--mode", mode, "--num-prompts", str(count)], variables)
    return float(printed.strip().splitlines()[-1])


def once(demo: Params, mode: str, count: int) -> None:
    """One measurement in this process; the last line printed is the throughput."""
    from evalpress import engine
    from evalpress.sections.benchmark.block import run_block

    load = Workload(num_prompts=count, input_len=INPUT_LEN, output_len=OUTPUT_LEN)
    loaded = engine.get(demo, mode)  # type: ignore[arg-type]
    vocabulary = loaded.llm.llm_engine.model_config.get_vocab_size()
    sampling = Sampling(max_tokens=OUTPUT_LEN, temperature=1.0, ignore_eos=True)
    for block in range(2):
        prompts = random_prompts.prompts(load, vocabulary, 0, "fidelity", block, frozenset({0}))
        observed = run_block(loaded, load, prompts, sampling)
    print(count * OUTPUT_LEN / observed.duration)


def one_engine(demo: Params, mode: str, count: int, rounds: int, *, text: bool) -> Pairs:
    """Output tokens per second of one loaded engine, by their measuring function and by ours.

    Args:
        text: theirs draws its own random prompts, as text; else it gets ours, as token ids.
    """
    import vllm
    from evalpress import engine
    from evalpress.sections.benchmark.block import run_block
    from vllm.benchmarks import throughput
    from vllm.benchmarks.datasets import SampleRequest
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    load = Workload(num_prompts=count, input_len=INPUT_LEN, output_len=OUTPUT_LEN)
    loaded = engine.get(demo, mode)  # type: ignore[arg-type]
    vocabulary = loaded.llm.llm_engine.model_config.get_vocab_size()
    sampling = Sampling(max_tokens=OUTPUT_LEN, temperature=1.0, ignore_eos=True)
    parser = FlexibleArgumentParser()
    throughput.add_cli_args(parser)
    blocks = itertools.count()

    def drawn() -> list[list[int]]:
        return random_prompts.prompts(load, vocabulary, 0, "fidelity", next(blocks), frozenset({0}))

    def ours_once() -> float:
        return count * OUTPUT_LEN / run_block(loaded, load, drawn(), sampling).duration

    def as_text() -> list[SampleRequest]:
        flags = ["--model", str(ROOT / demo.model.path), "--dataset-name", "random", "--num-prompts", str(count)]
        flags += ["--random-input-len", str(INPUT_LEN), "--random-output-len", str(OUTPUT_LEN)]
        asked = parser.parse_args([*flags, "--seed", str(next(blocks))])
        throughput.validate_args(asked)
        return list(throughput.get_requests(asked, loaded.llm.get_tokenizer()))

    def as_tokens() -> list[SampleRequest]:
        return [SampleRequest({"prompt_token_ids": ids}, INPUT_LEN, OUTPUT_LEN) for ids in drawn()]

    def theirs_once() -> float:
        requests = as_text() if text else as_tokens()
        with mock.patch.object(vllm.LLM, "from_engine_args", return_value=loaded.llm):
            elapsed, _ = throughput.run_vllm(requests, 1, mock.MagicMock(enable_lora=False), False)
        return count * OUTPUT_LEN / float(elapsed)

    ours_once(), theirs_once()  # warm-up
    return alternate(rounds, ours_once, theirs_once)


def alternate(rounds: int, ours_once: Callable[[], float], theirs_once: Callable[[], float]) -> Pairs:
    """Both in turn, ours first in every other round; prints each figure."""
    pairs: Pairs = {"ours": [], "theirs": []}
    once = {"ours": ours_once, "theirs": theirs_once}
    for index in range(rounds):
        for who in ("ours", "theirs") if index % 2 == 0 else ("theirs", "ours"):
            pairs[who].append(once[who]())
            print(f"round {index + 1}  {who:<7} {pairs[who][-1]:10.1f} output tok/s", flush=True)
    return pairs


def _run(command: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(command, env={**os.environ, **variables}, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} … failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> None:
    """Alternate rounds and print the paired ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mode", choices=("eager", "compiled"), default="eager")
    parser.add_argument("--num-prompts", type=int, default=400)
    parser.add_argument("--one-engine", action="store_true", help="both on the same loaded engine, in turn")
    parser.add_argument("--text", action="store_true", help="with --one-engine: theirs draws its own prompts, as text")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    demo = params.load("demo")
    if asked.once:
        once(demo, asked.mode, asked.num_prompts)
        return
    variables = environment.engine_env(demo) | environment.preload_env(demo)
    count = asked.num_prompts
    if asked.one_engine:
        if any(os.environ.get(name) != value for name, value in variables.items()):
            os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **variables})
        pairs = one_engine(demo, asked.mode, count, asked.rounds, text=asked.text)
    else:
        pairs = alternate(
            asked.rounds,
            lambda: ours(asked.mode, count, variables),
            lambda: theirs(demo, asked.mode, count, variables),
        )
    ratio = stats.paired_ratio(pairs["ours"], pairs["theirs"])
    print(f"ours / theirs: {ratio.ratio:.4f} (95 % {ratio.ci_low:.4f} to {ratio.ci_high:.4f}, {ratio.n_pairs} pairs)")


if __name__ == "__main__":
    main()
