"""Speed and memory of the comparison of logits.

    python benchmarks/alignment.py [--positions 256] [--rounds 7] [--stream 100000] [--model models/demo]

Prints, for the vocabulary of Qwen2 (151,936), positions per second of `metrics.compare_rows`, of the same metrics
written plainly with whole arrays in NumPy float64, and of reading the two arrays once, which no comparison can
avoid. The three run in turn, round by round; ratios are geometric means of pairs with 95 % intervals. Then the peak
memory of a stream of positions, in a separate process. With a model folder: the reference's forward passes as a
share of this machine's matrix rate.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from evalpress.core import stats
from evalpress.sections.alignment import metrics
from numpy.typing import NDArray

Array = NDArray[np.float32]
THREADS = len(os.sched_getaffinity(0))


def logits(positions: int, vocabulary: int) -> tuple[Array, Array]:
    """A reference like a trained model's, and a candidate off by what bfloat16 costs a model of half a billion
    parameters: the published card prints a mean square error of 0.0194."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((positions, vocabulary), dtype=np.float32) * 3
    reference[np.arange(positions), rng.integers(0, vocabulary, positions)] += 15
    noise = rng.standard_normal((positions, vocabulary), dtype=np.float32)
    return reference, reference + noise * np.float32(0.0194**0.5)


def plain(reference: Array, candidate: Array) -> dict[str, Any]:
    """The metrics over whole arrays in float64, in the simplest form."""
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    d = c - r
    norm_r, norm_c = np.linalg.norm(r, axis=1), np.linalg.norm(c, axis=1)
    log_p = r - r.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    log_q = c - c.max(1, keepdims=True)
    log_q -= np.log(np.exp(log_q).sum(1, keepdims=True))
    tops = [np.argpartition(-side, 5, axis=1)[:, :5] for side in (r, c)]
    return {
        "cosine_similarity": (r * c).sum(1) / norm_r / norm_c,
        "mse": (d * d).mean(1),
        "max_abs_err": np.abs(d).max(1),
        "relative_euclidean_distance": np.linalg.norm(d, axis=1) / norm_r,
        "kl_divergence": (np.exp(log_p) * (log_p - log_q)).sum(1),
        "top1": r.argmax(1) == c.argmax(1),
        "top5": [len(np.intersect1d(a, b)) for a, b in zip(*tops, strict=True)],
    }


def read_once(reference: Array, candidate: Array) -> None:
    """Every byte of both arrays through the processor once, on all threads, with next to no arithmetic."""
    rows = max(1, len(reference) // (4 * THREADS))
    parts = [
        side[at : at + rows].ravel().view(np.int64)
        for side in (reference, candidate)
        for at in range(0, len(side), rows)
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(np.add.reduce, parts))


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def speeds(positions: int, vocabulary: int, rounds: int) -> None:
    """The three in turn."""
    reference, candidate = logits(positions, vocabulary)
    few = reference[:16], candidate[:16]  # 16 whole rows are 20 MB per float64 temporary: more only swaps
    work: dict[str, tuple[Callable[[], Any], int]] = {
        "reading both arrays once": (lambda: read_once(reference, candidate), positions),
        "compare_rows": (lambda: metrics.compare_rows(reference, candidate, range(positions)), positions),
        "whole-array NumPy float64": (lambda: plain(*few), 16),
    }
    rates: dict[str, list[float]] = {name: [] for name in work}
    for lap in range(rounds + 1):
        for name, (run, count) in work.items():
            rate = count / seconds(run)
            if lap:
                rates[name].append(rate)
    for name, found in rates.items():
        print(f"{name:<28} {np.median(found):>9,.0f} positions/s  ({min(found):,.0f} to {max(found):,.0f})")
    floor, ours, numpy = (rates[name] for name in work)
    for label, pair in (("floor / compare_rows", (floor, ours)), ("compare_rows / NumPy", (ours, numpy))):
        ratio = stats.paired_ratio(*pair)
        print(f"{label:<28} {ratio.ratio:>9.2f}x  (95 % interval {ratio.ci_low:.2f} to {ratio.ci_high:.2f})")


def stream(positions: int, vocabulary: int) -> None:
    """Compare a stream in parts of 64 positions and print this process's peak memory."""
    reference, candidate = logits(64, vocabulary)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    parts = [metrics.compare_rows(reference, candidate, range(at, at + 64)) for at in range(0, positions, 64)]
    took = time.perf_counter() - start
    found = metrics.pooled(np.concatenate(parts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    done = int(found["n_positions"] or 0)
    print(
        f"stream of {done:,} positions: {done / took:,.0f} positions/s, "
        f"peak {peak:.2f} GiB, {peak - before:.2f} GiB above the start"
    )


def reference_share(folder: Path) -> None:
    """Float32 forward passes of a model on this CPU, as a share of a large matrix product's rate."""
    from evalpress.model import forward  # torch here only: it is no part of the comparison's memory
    from evalpress.model.facts import read
    from evalpress.sections.alignment import cost

    lengths = [16] * 64 + [512] * 4
    texts = {str(i): [7 + i % 50] * length for i, length in enumerate(lengths)}
    with forward.loaded(folder, "float32") as run:
        for _ in forward.forward(run, texts, {name: range(len(ids)) for name, ids in texts.items()}):
            pass
        found = cost.of_passes(run, read(folder, "float32"), lengths)
    print(
        f"reference passes: {found.tokens:,} tokens in {found.batches} batches, {found.gflop_s:.1f} of "
        f"{found.matmul_gflop_s:.1f} GFLOP/s = {found.share_of_matrix_rate:.0%} of this machine's matrix rate"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=151936)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stream", type=int, default=100_000)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only-stream", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_stream:
        stream(options.stream, options.vocabulary)
        return
    print(f"{platform.processor() or platform.machine()}, {THREADS} threads, vocabulary {options.vocabulary:,}")
    speeds(options.positions, options.vocabulary, options.rounds)
    if options.stream:
        again = [sys.executable, __file__, "--only-stream", "--stream", str(options.stream)]
        subprocess.run([*again, "--vocabulary", str(options.vocabulary)], check=True)
    if options.model:
        reference_share(options.model)


if __name__ == "__main__":
    main()
