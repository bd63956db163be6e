"""vLLM's own benchmark client (`vllm bench serve`) against a running server, driven from this process.

Importing it costs seconds, so the levels of a report run in one process instead of one command each;
arguments, request generation and metrics are vLLM's.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

from evalpress.core.errors import MeasurementError


def argv(base_url: str, model: str, served: str, load: dict[str, Any], seed: int) -> list[str]:
    """Arguments of `vllm bench serve` for one point.

    Args:
        load: `input_len`, `output_len` (tokens), `num_prompts`; `max_concurrency` for a closed loop or
            `request_rate` (req/s) for Poisson arrivals; `warmups`, requests sent before and not counted; `slo`,
            limits in ms by metric, for the goodput.
    """
    found = [
        "--backend", "vllm", "--base-url", base_url, "--endpoint", "/v1/completions",
        "--model", model, "--served-model-name", served, "--dataset-name", "random",
        "--random-input-len", str(load["input_len"]), "--random-output-len", str(load["output_len"]),
        "--num-prompts", str(load["num_prompts"]), "--ignore-eos", "--temperature", "0", "--seed", str(seed),
        "--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "90,99",
        "--disable-tqdm", "--save-detailed",
    ]  # fmt: skip
    if load.get("max_concurrency"):
        found += ["--max-concurrency", str(load["max_concurrency"])]
    if load.get("request_rate"):
        found += ["--request-rate", str(load["request_rate"])]
    if load.get("warmups"):
        found += ["--num-warmups", str(load["warmups"])]
    if load.get("slo"):
        found += ["--goodput", *(f"{name}:{limit}" for name, limit in load["slo"].items())]
    return found


def bench(arguments: Sequence[str]) -> dict[str, Any]:
    """Run the client once; its result with per-request lists, `client_s`, how long all of it took (drawing requests,
    warm-up, load, metrics), and `client_cpu_share`, its share of one core in that time.

    Raises:
        MeasurementError: the client failed; one line saying why.
    """
    from vllm.benchmarks import serve
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser()
    serve.add_cli_args(parser)
    args = parser.parse_args(list(arguments))
    result: dict[str, Any] = {}

    def work() -> None:
        # A notebook's kernel already runs an event loop in its main thread.
        start, cpu = time.monotonic(), time.process_time()
        try:
            result.update(asyncio.run(serve.main_async(args)))
            result["client_s"] = time.monotonic() - start
            result["client_cpu_share"] = (time.process_time() - cpu) / result["client_s"]
        except Exception as error:
            result["error"] = str(error).splitlines()[0] if str(error) else type(error).__name__

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if "error" in result:
        raise MeasurementError(f"vLLM's benchmark client failed: {result['error']}")
    return result


def version_note() -> str:
    """Which client made the figures."""
    import vllm

    return f"vllm.benchmarks.serve of vLLM {vllm.__version__}"
