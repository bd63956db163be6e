"""Single requests to a server: its model's name, the run book's curl, a streaming completion."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from evalpress import launch
from evalpress.core.errors import MeasurementError
from evalpress.engine import sse
from evalpress.engine.endpoint import Endpoint, message_of
from evalpress.params.schema import Mode, Params
from evalpress.sections.serving.results import Curl, Stream

_PATIENCE_S = 300


@dataclass(frozen=True)
class Offered:
    """The model that a server offers, and the server software that it reports."""

    name: str
    by_vllm: bool


def offered(endpoint: Endpoint, wanted: str | None = None) -> Offered:
    """The name under which the server offers its model: the wanted one, else the first.

    Raises:
        MeasurementError: `/v1/models` gives no name, or not the wanted one.
    """
    body = endpoint.get("/v1/models")
    rows = body.get("data") if isinstance(body, dict) else None
    names = [row for row in rows or [] if isinstance(row, dict) and isinstance(row.get("id"), str)]
    if not names:
        told = message_of(json.dumps(body, ensure_ascii=False))
        raise MeasurementError(f"{endpoint.base_url}/v1/models: the server offers no model: {told}")
    chosen = next((row for row in names if wanted in (None, row["id"])), None)
    if chosen is None:
        there = ", ".join(row["id"] for row in names)
        raise MeasurementError(f"serving.served_model: found {wanted!r}, allowed what the server offers: {there}")
    return Offered(chosen["id"], chosen.get("owned_by") == "vllm")


def curl(endpoint: Endpoint, served: str, params: Params, mode: str) -> Curl:
    """The run book's curl command, executed unchanged except for the port, which is the server's own.

    No `.curlrc` is used, and no proxy for a server of this suite. curl reads the key from its standard input, so that
    no list of processes shows it.

    Raises:
        MeasurementError: curl fails or does not answer in time, or the answer is no completion.
    """
    asked = launch.prompt(params, params.serving.mode)
    printed = launch.curl_argv(launch.address(params), served, asked, launch.curl_options(params))
    argv = launch.curl_argv(
        endpoint.base_url, served, asked, ("--cacert", endpoint.ca_file) if endpoint.ca_file else ()
    )
    made = partial(Curl, argv=tuple(printed), command=launch.shell(printed), mode=mode)
    headers = "".join(f"header = {json.dumps(f'{name}: {value}')}\n" for name, value in endpoint.headers.items())
    env = os.environ | ({"no_proxy": "*", "NO_PROXY": "*"} if endpoint.is_direct else {})
    try:
        done = subprocess.run(
            [argv[0], "-q", *argv[1:], "-K", "-"],
            input=headers,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        return made(output=None, output_why="curl is not installed on this host", ok=False)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"curl: no answer within {_PATIENCE_S} s") from None
    if done.returncode != 0:
        told = message_of(done.stdout) if done.stdout.strip() else done.stderr.strip()[:200]
        status = re.search(r"returned error: (\d{3})", done.stderr)
        head = f"HTTP {status[1]}" if status else f"exit status {done.returncode}"
        raise MeasurementError(f"curl: {head}: {told}")
    return _answered(done.stdout, made)


def _answered(body: str, made: Callable[..., Curl]) -> Curl:
    try:
        choice = json.loads(body)["choices"][0]
        text, reason = choice["text"], choice.get("finish_reason")
    except (ValueError, LookupError, TypeError):
        raise MeasurementError(f"curl: the answer is no completion: {message_of(body)}") from None
    usage = json.loads(body).get("usage")
    counts = {key: value for key, value in (usage or {}).items() if isinstance(value, int)}
    return made(
        output=text if isinstance(text, str) else None,
        output_why=None if isinstance(text, str) else "the server gave no text",
        finish_reason=reason if isinstance(reason, str) else None,
        usage=counts or None,
        ok=True,
    )


def stream(endpoint: Endpoint, served: str, params: Params, mode: Mode | str) -> Stream:
    """One streaming completion, timed chunk by chunk: the first chunk with text sets TTFT.

    Raises:
        MeasurementError: the server refuses, reports an error in the stream, or sends no text.
    """
    asked = launch.prompt(params, params.serving.mode)
    body = {
        "model": served,
        "prompt": asked,
        "temperature": 0,
        "max_tokens": params.serving.output_len,
        "stream": True,
    }
    start = time.perf_counter()
    text, finish, done = "", None, False
    stamps: list[float] = []
    others: list[float] = []
    with endpoint.stream("/v1/completions", body) as pieces:
        for data in sse.events(pieces):
            if data == sse.DONE:
                done = True
                break
            chunk = sse.chunk(data)
            text += chunk.text
            finish = chunk.finish_reason or finish
            if chunk.has_choice:
                (stamps if chunk.text else others).append(time.perf_counter() - start)
    stamps = stamps or others
    if not done and finish is None:
        raise MeasurementError("streaming request: the stream ended before the answer was finished")
    if not stamps:
        raise MeasurementError("streaming request: the server sent no token")
    return Stream(
        prompt=asked if isinstance(asked, str) else str(asked),
        output=text,
        finish_reason=finish,
        chunks=len(stamps),
        ttft_ms=1e3 * stamps[0],
        e2el_ms=1e3 * stamps[-1],
        mode=mode,
    )
