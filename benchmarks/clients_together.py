"""The serving section's load client and `vllm bench serve` at the same time on one server.

On a machine whose speed changes from second to second (a virtual machine), rounds one after the other differ by more
than the clients do. Here each client keeps half of the requests in flight, so that both meet the same server at the
same moment; both send the same prompts as text. Compared are the requests that were sent between the first and the
last one of `vllm bench serve`. Prints every round, and the paired ratio ours / theirs with its 95 % interval.

    python benchmarks/clients_together.py [--rounds 5] [--num-prompts 160] [--concurrency 4]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clients
import numpy as np
from clients import METRICS, Figures
from evalpress import launch, params
from evalpress.core.paths import ROOT
from evalpress.engine import server
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.sections.serving import client
from evalpress.sections.serving.client import Target
from other_clients import Load


@dataclass(frozen=True)
class Request:
    """One answered request of either client; times in seconds on the system's monotonic clock."""

    sent: float
    ttft: float
    tpot: float
    e2el: float


class UntilEnded(Sequence[str]):
    """The prompts again and again, until the other client has ended."""

    def __init__(self, prompts: Sequence[str], ended: threading.Event) -> None:
        self.prompts, self.ended = prompts, ended

    def __len__(self) -> int:
        return len(self.prompts)

    def __getitem__(self, index: Any) -> Any:
        if self.ended.is_set():
            raise IndexError(index)
        return self.prompts[index % len(self.prompts)]


def ours(target: Target, prompts: Sequence[str], concurrency: int) -> list[Request]:
    """Requests of the serving section's client."""
    load = client.closed_loop(target, prompts, concurrency)
    return [
        Request(load.began + one.sent_s, one.ttft_s or 0.0, one.tpot_s or 0.0, one.e2el_s or 0.0)
        for one in load.observations
        if one.error is None
    ]


def theirs(load: Load, demo: Params) -> list[Request]:
    """Requests of `vllm bench serve`, whose times are those of the same clock on Linux."""
    found = clients.bench_serve(load, demo, warmups=0)
    return [
        Request(sent, ttft, sum(gaps) / (load.output_len - 1), ttft + sum(gaps))
        for sent, ttft, gaps in zip(found["start_times"], found["ttfts"], found["itls"], strict=True)
    ]


def figures(requests: Sequence[Request], begin: float, end: float, output_len: int) -> Figures:
    """Figures of the requests that were sent from `begin` to `end`."""
    sent = [one for one in requests if begin <= one.sent <= end]
    rate = len(sent) / (end - begin)
    ttft, tpot, e2el = (1e3 * float(np.mean([getattr(one, n) for one in sent])) for n in ("ttft", "tpot", "e2el"))
    return dict(zip(METRICS, (rate * output_len, rate, ttft, tpot, e2el), strict=True))


def one_round(target: Target, load: Load, demo: Params) -> dict[str, Figures]:
    """Both clients at the same time."""
    ended = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        mine = beside.submit(ours, target, UntilEnded(load.prompts, ended), load.concurrency)
        try:
            other = theirs(load, demo)
        finally:
            ended.set()
        begin, end = min(one.sent for one in other), max(one.sent for one in other)
        found = {"ours": mine.result(), "vllm": other}
    return {who: figures(requests, begin, end, load.output_len) for who, requests in found.items()}


def main() -> None:
    """Run the rounds and print the paired ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--num-prompts", type=int, default=160)
    parser.add_argument("--concurrency", type=int, default=4, help="of each client")
    asked = parser.parse_args()
    demo, rounds = params.load("demo"), []
    argv, host = launch.serve_argv(demo, "eager", port=0), demo.serving.host
    with tempfile.TemporaryDirectory() as folder:
        program, env = [launch.program(argv), *argv[1:]], environment.server_env(demo)
        with server.running(program, env, host, Path(folder) / "server.log", 600) as answering:
            target = Target(answering.endpoint, launch.model_name(demo), demo.serving.output_len, empty_chunks=True)
            for index in range(asked.rounds):
                load = Load(
                    base_url=answering.endpoint.base_url,
                    model=launch.model_name(demo),
                    tokenizer=ROOT / demo.model.path,
                    prompts=clients.texts(demo, asked.num_prompts, index),
                    output_len=demo.serving.output_len,
                    concurrency=asked.concurrency,
                )
                rounds.append(one_round(target, load, demo))
                for who, found in rounds[-1].items():
                    clients.show(index, who, found)
    clients.report(rounds, ["vllm"])


if __name__ == "__main__":
    main()
