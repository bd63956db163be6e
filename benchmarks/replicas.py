"""Two replicas of the demo model behind vllm-router on loopback, measured through the router's URL.

    python -m venv router && router/bin/pip install vllm-router
    python benchmarks/replicas.py --router router/bin/vllm-router

Prints the closed loops, and the requests that each replica answered by the router's own count. Needs memory for two
servers.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from evalpress import launch, params
from evalpress.engine import server
from evalpress.launch import environment
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import section


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def cluster(router: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The router's URL and that of its counters, with two servers of the demo behind it."""
    demo = params.load("demo")
    argv = launch.serve_argv(demo, "eager", port=0)
    program, env, host = [launch.program(argv), *argv[1:]], environment.server_env(demo), demo.serving.host
    with contextlib.ExitStack() as stack:
        launched = [server.Launch(program, env, host, folder / f"replica-{number}.log") for number in range(2)]
        for one in launched:
            stack.callback(one.stop)
        urls = [one.ready(600, lambda text: None).endpoint.base_url for one in launched]
        counters = free_port()
        command = [
            router,
            "--host",
            host,
            "--port",
            str(free_port()),
            "--worker-urls",
            *urls,
            "--policy",
            "round_robin",
        ]
        command += ["--prometheus-host", host, "--prometheus-port", str(counters)]
        front = stack.enter_context(server.running(command, {}, host, folder / "router.log", 60))
        port = int(command[command.index("--port") + 1])
        assert front.ready_s > 0
        yield f"http://{host}:{port}", f"http://{host}:{counters}/metrics"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--router", default="vllm-router", help="the vllm-router program")
    asked = parser.parse_args()
    demo = params.load("demo")
    with tempfile.TemporaryDirectory() as folder, cluster(asked.router, Path(folder)) as (url, counters):
        update = {"base_url": url, "metrics_url": counters, "slo_search": None}
        set_ = demo.model_copy(update={"serving": demo.serving.model_copy(update=update)})
        found = Job(by_name("serving"), set_, Path(folder) / "report", "always").run(section.measure).data
    for level in found.levels:
        print(
            f"{level.load_words:<14} {level.output_throughput:8.1f} tok/s  mean TTFT {level.mean_ttft_ms or 0:.1f} ms"
        )
    for each in found.replicas or ():
        print(f"{each.name}  {each.requests} requests, {each.share:.1%}")
    if found.replicas is None:
        print(found.replicas_why)


if __name__ == "__main__":
    main()
