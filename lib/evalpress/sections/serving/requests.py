"""Single requests to a server: its model's name, the run book's curl, a streaming completion."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import requests

from evalpress import launch
from evalpress.core.errors import MeasurementError
from evalpress.params.schema import Params


def served_model(base_url: str) -> str:
    """The name under which the server offers its model."""
    try:
        answer = requests.get(f"{base_url}/v1/models", timeout=30)
        return str(answer.json()["data"][0]["id"])
    except (requests.RequestException, ValueError, LookupError) as error:
        raise MeasurementError(f"{base_url}/v1/models gave no model name: {error}") from None


def curl(base_url: str, served: str) -> dict[str, Any]:
    """The run book's curl command, executed as it stands there."""
    argv = launch.curl_argv(base_url, served, launch.PROMPT)
    found: dict[str, Any] = {"argv": argv, "command": launch.shell(argv)}
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


def stream(base_url: str, served: str, params: Params) -> dict[str, Any]:
    """One streaming completion, timed chunk by chunk (server-sent events)."""
    request = {
        "model": served,
        "prompt": launch.PROMPT,
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
        "prompt": launch.PROMPT,
        "output": text,
        "finish_reason": finish,
        "chunks": len(stamps),
        "ttft_ms": 1e3 * stamps[0],
        "e2el_ms": 1e3 * stamps[-1],
    }
