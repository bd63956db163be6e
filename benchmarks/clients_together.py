"""The serving section's load client and `vllm bench serve` at the same time on one server.

On a machine whose speed changes from second to second (a virtual machine), rounds one after the other differ by more
than the clients do. Here both send requests to one server at the same time, each at random moments (Poisson) and at
the same rate, so that both meet the same server; in two closed loops, the phases of the two would decide which of them
waits for the other's prefill. Both send the same prompts as text. Compared are the requests that were sent between the
first and the last one of `vllm bench serve`. Prints every round, and the paired ratio ours / theirs with its 95 %
interval; then the processor time that each client takes per request, which on few cores delays what it sees.

    python benchmarks/clients_together.py [--rounds 6] [--num-prompts 160] [--rate 4]
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import clients
import numpy as np
from clients import Figures
from evalpress import launch, params
from evalpress.core.paths import ROOT
from evalpress.engine import server
from evalpress.launch import environment
from evalpress.params import Params
from evalpress.sections.serving import client
from evalpress.sections.serving.client import Target
from evalpress.sections.serving.load import arrivals
from other_clients import Load

LONGER = 1.7
"""Ours begins while `vllm bench serve` is still starting, and goes on after its last request."""


@dataclass(frozen=True)
class Request:
    """One answered request of either client; times in seconds on the system's monotonic clock."""

    sent: float
    ttft: float
    tpot: float
    e2el: float


def ours(target: Target, prompts: Sequence[str], rate: float, round_: int) -> list[Request]:
    """Requests of the serving section's client, for `LONGER` times as long as the other needs for them."""
    count = round(LONGER * len(prompts))
    sent = list(itertools.islice(itertools.cycle(prompts), count))
    load = client.open_loop(target, sent, arrivals(count, rate, 0, round_))
    return [
        Request(load.began + one.sent_s, one.ttft_s or 0.0, one.tpot_s or 0.0, one.e2el_s or 0.0)
        for one in load.observations
        if one.error is None
    ]


def theirs(load: Load, demo: Params, rate: float) -> list[Request]:
    """Requests of `vllm bench serve`, whose times are those of the same clock on Linux."""
    found = clients.bench_serve(load, demo, {"request_rate": rate})
    return [
        Request(sent, ttft, sum(gaps) / (load.output_len - 1), ttft + sum(gaps))
        for sent, ttft, gaps in zip(found["start_times"], found["ttfts"], found["itls"], strict=True)
    ]


def figures(requests: Sequence[Request], begin: float, end: float) -> Figures:
    """Means and medians of the requests that were sent from `begin` to `end`, in ms."""
    sent = [one for one in requests if begin <= one.sent <= end]
    found: Figures = {}
    for name in ("ttft", "tpot", "e2el"):
        values = [1e3 * getattr(one, name) for one in sent]
        found |= {f"mean_{name}_ms": float(np.mean(values)), f"median_{name}_ms": float(np.median(values))}
    return found


def one_round(target: Target, load: Load, demo: Params, rate: float, round_: int) -> dict[str, Figures]:
    """Both clients at the same time."""
    with ThreadPoolExecutor(1) as beside:
        mine = beside.submit(ours, target, load.prompts, rate, round_)
        other = theirs(load, demo, rate)
        found = {"ours": mine.result(), "vllm": other}
    begin, end = min(one.sent for one in other), max(one.sent for one in other)
    if max(one.sent for one in found["ours"]) < end:
        raise SystemExit("this client ended before the other; the machine starts `vllm bench serve` too slowly")
    return {who: figures(requests, begin, end) for who, requests in found.items()}


def cpu_ms(target: Target, load: Load, demo: Params, rate: float) -> dict[str, float]:
    """Processor time per request of each client, alone on the server, in ms.

    That of `vllm bench serve` is the difference between a run of all prompts and one of a quarter of them, so that the
    start of its process does not count.
    """
    short = replace(load, prompts=load.prompts[: len(load.prompts) // 4])
    mine = client.open_loop(target, load.prompts, arrivals(len(load.prompts), rate, 0, 0))
    used = []
    for one in (short, load):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        clients.bench_serve(one, demo, {"request_rate": rate})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    more = len(load.prompts) - len(short.prompts)
    return {"ours": 1e3 * mine.cpu_share * mine.seconds / len(load.prompts), "vllm": 1e3 * (used[1] - used[0]) / more}


def main() -> None:
    """Run the rounds and print the paired ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--num-prompts", type=int, default=160)
    parser.add_argument("--rate", type=float, default=4, help="requests per second of each client")
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
                    concurrency=0,
                )
                rounds.append(one_round(target, load, demo, asked.rate, index))
                for who, found in rounds[-1].items():
                    clients.show(index, who, found)
            cost = [cpu_ms(target, load, demo, asked.rate) for _ in range(2)]
    for one in cost:
        print("processor time per request, ms:", {who: round(value, 1) for who, value in one.items()})
    clients.report(rounds, ["vllm"], tuple(rounds[0]["ours"]))


if __name__ == "__main__":
    main()
