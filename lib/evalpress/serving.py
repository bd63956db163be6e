"""The serving section: a real OpenAI server, the run book's own curl, a streaming client, load at several levels."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from evalpress import kernel_env, model, runbook
from evalpress import served as evidence_prompts
from evalpress.engine import client, server
from evalpress.errors import MeasurementError
from evalpress.job import Job
from evalpress.params.schema import Params
from evalpress.progress import step

PROMPT = "The capital of France is"
LATENCIES = ("ttft", "tpot", "itl", "e2el")
RAW = ("duration", "ttfts", "itls", "input_lens", "output_lens", "start_times", "errors")
"""What the client keeps of every request (seconds, tokens)."""
FROM_CLIENT = (
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "output_throughput",
    "total_token_throughput",
)


def measure(job: Job) -> dict[str, Any]:
    """Start (or reach) the server, ask it, load it, stop it; per-request observations go to `results/raw`.

    Raises:
        MeasurementError: the server does not start or answer, or requests fail.
    """
    params = job.params
    if params.serving.base_url:
        base_url = params.serving.base_url.rstrip("/")
        if not server.answers(base_url):
            raise MeasurementError(f"serving.base_url: no server answers at {base_url}/health")
        return _ask(job, server.Server(base_url, None, ()))
    port = server.free_port(params.serving.host, params.serving.port)
    argv = runbook.serve_argv(params, params.serving.mode, port=port)
    base_url = f"http://{params.serving.host}:{port}"
    log = job.folder / "logs" / "server.log"
    argv = [runbook.program(argv), *argv[1:]]
    env = kernel_env.server_env(params)
    step("starting the server")
    with server.running(argv, env, base_url, log, params.serving.startup_timeout_s, step) as running:
        return _ask(job, running)


def _ask(job: Job, running: server.Server) -> dict[str, Any]:
    params = job.params
    served = _served_model(running.base_url)
    step("one request by curl")
    curl = _curl(params, running.base_url, served)
    step("one request by a streaming client")
    stream = _stream(running.base_url, served, params)
    step("the evidence prompts")
    evidence_prompts.ask(job, running.base_url, served)
    levels = []
    for concurrency in params.serving.concurrency:
        step(f"load: {concurrency} at a time")
        levels.append(_level(job, running.base_url, served, concurrency))
    data: dict[str, Any] = {
        "mode": params.serving.mode if running.ready_s is not None else "as the running server was started",
        "base_url": running.base_url,
        "command": _command(params, running),
        "model": served,
        "ready_s": running.ready_s,
        "curl": curl,
        "stream": stream,
        "levels": levels,
        "client": client.version_note(),
    }
    if running.ready_s is None:
        data["command_why"] = "the server was already running (serving.base_url)"
        data["ready_s_why"] = "the server was already running (serving.base_url)"
    return data


def _command(params: Params, running: server.Server) -> str | None:
    """The run book's serve command for the port that was used."""
    if running.ready_s is None:
        return None
    port = int(running.base_url.rsplit(":", 1)[1])
    return runbook.shell(runbook.serve_argv(params, params.serving.mode, port=port), runbook.env(params))


def _served_model(base_url: str) -> str:
    try:
        answer = requests.get(f"{base_url}/v1/models", timeout=30)
        return str(answer.json()["data"][0]["id"])
    except (requests.RequestException, ValueError, LookupError) as error:
        raise MeasurementError(f"{base_url}/v1/models gave no model name: {error}") from None


def _curl(params: Params, base_url: str, served: str) -> dict[str, Any]:
    """The run book's curl command, executed as it stands there."""
    argv = runbook.curl_argv(base_url, served, PROMPT)
    found: dict[str, Any] = {"argv": argv, "command": runbook.shell(argv)}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    except FileNotFoundError:
        return found | {"output": None, "output_why": "curl is not installed on this host", "ok": False}
    if done.returncode != 0:
        raise MeasurementError(f"curl: exit status {done.returncode}: {(done.stderr or done.stdout).strip()[:200]}")
    body = json.loads(done.stdout)
    choice = body["choices"][0]
    return found | {
        "output": choice["text"],
        "finish_reason": choice["finish_reason"],
        "usage": _counts(body["usage"]),
        "ok": True,
    }


def _counts(usage: dict[str, Any]) -> dict[str, int]:
    """The token counts of an answer's `usage`; its optional details are often null."""
    return {key: value for key, value in usage.items() if isinstance(value, int)}


def _stream(base_url: str, served: str, params: Params) -> dict[str, Any]:
    """One streaming completion, timed chunk by chunk (server-sent events)."""
    request = {
        "model": served,
        "prompt": PROMPT,
        "temperature": 0,
        "max_tokens": params.serving.output_len,
        "stream": True,
    }
    start = time.perf_counter()
    text, stamps, finish = "", [], None
    with requests.post(f"{base_url}/v1/completions", json=request, stream=True, timeout=300) as answer:
        if answer.status_code != 200:
            raise MeasurementError(f"streaming request: HTTP {answer.status_code}: {answer.text[:200]}")
        for line in answer.iter_lines(chunk_size=1):
            if not line.startswith(b"data: ") or line == b"data: [DONE]":
                continue
            stamps.append(time.perf_counter() - start)
            choice = json.loads(line[6:])["choices"][0]
            text += choice["text"]
            finish = choice["finish_reason"] or finish
    if not stamps:
        raise MeasurementError("streaming request: the server sent no chunk")
    return {
        "prompt": PROMPT,
        "output": text,
        "finish_reason": finish,
        "chunks": len(stamps),
        "ttft_ms": 1e3 * stamps[0],
        "e2el_ms": 1e3 * stamps[-1],
    }


def _level(job: Job, base_url: str, served: str, concurrency: int) -> dict[str, Any]:
    """One point of the load curve, under the keys of `vllm bench serve`."""
    p = job.params
    load = {
        "input_len": p.serving.input_len,
        "output_len": p.serving.output_len,
        "num_prompts": max(p.serving.requests_per_level, concurrency),
        "max_concurrency": concurrency,
    }
    arguments = client.argv(base_url, served, served, load, p.engine.seed)
    tokenizer = Path(model.resolve(p))
    found = client.bench([*arguments, "--tokenizer", str(tokenizer)])
    errors = [text for text in found.get("errors", []) if text]
    if found["completed"] == 0:
        raise MeasurementError(
            f"load at concurrency {concurrency}: no request completed: {(errors or ['no reason given'])[0][:200]}"
        )
    job.raw(f"concurrency-{concurrency}", {key: found[key] for key in RAW})
    statistics = {
        f"{key}_{name}_ms": found[f"{key}_{name}_ms"]
        for name in LATENCIES
        for key in ("mean", "median", "std", "p90", "p99")
    }
    counts = {key: found.get(key, len(errors)) for key in FROM_CLIENT}
    return {
        "concurrency": concurrency,
        **load,
        **counts,
        **statistics,
        "client_cpu_share": found["client_cpu_share"],
    }
