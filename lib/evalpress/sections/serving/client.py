"""The load client: closed loops and Poisson arrivals of streaming completions, every request's times kept.

Definitions are those of `vllm bench serve`: TTFT and E2EL run from sending the request, ITL are the gaps between
chunks, TPOT is (E2EL - TTFT) / (output tokens - 1).
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.engine import sse
from evalpress.engine.endpoint import Endpoint, message_of

_SILENCE_S = 300
"""A request has failed when the server sends nothing for this many seconds."""
_CLOSING_S = 1.0
"""How long a server may take to end a stream after its last event; then the client closes the connection."""


Prompt = str | Sequence[int]
"""A text, or token ids."""


@dataclass(frozen=True)
class Observation:
    """One request as the client saw it; times in seconds, `sent_s` and `ended_s` since the start of the load."""

    sent_s: float
    ended_s: float
    ttft_s: float | None
    gaps_s: tuple[float, ...]
    """Between consecutive chunks."""
    input_tokens: int | None
    """As the server counts them; None where it does not say."""
    output_tokens: int
    """As the server counts them; chunks with text where it does not say."""
    late_s: float = 0.0
    """How long after its due time the request was sent (open loop)."""
    error: str | None = None

    @property
    def is_timed(self) -> bool:
        """Whether its tokens came one after the other, so that there is a time between them."""
        return self.output_tokens > 1 and sum(self.gaps_s) > 0

    @property
    def tpot_s(self) -> float | None:
        """None where there is no time between tokens: a single token, or all at once."""
        return sum(self.gaps_s) / (self.output_tokens - 1) if self.is_timed else None

    @property
    def e2el_s(self) -> float | None:
        return None if self.ttft_s is None else self.ttft_s + sum(self.gaps_s)


def why_untimed(observations: Sequence[Observation]) -> str:
    """Why answered requests have no time between tokens, where none of them has."""
    if any(one.output_tokens > 1 for one in observations if one.error is None):
        return "all tokens of an answer arrived at once: the server, or a proxy before it, holds the stream back"
    return "no request gave more than one token"


@dataclass(frozen=True)
class Load:
    """What one run of the client observed."""

    observations: tuple[Observation, ...]
    """In the order of sending."""
    seconds: float
    """How long the client ran."""
    cpu_share: float
    """The client's process time as a share of one core."""
    began: float = 0.0
    """On this process's monotonic clock."""


@dataclass(frozen=True)
class Target:
    """The server to send requests to, and how.

    `empty_chunks` says that a chunk without text is a token whose characters are not complete yet, as vLLM sends
    them; elsewhere it is a preamble.
    """

    endpoint: Endpoint
    model: str
    output_tokens: int
    empty_chunks: bool = False


def closed_loop(target: Target, prompts: Sequence[Prompt], concurrency: int) -> Load:
    """Send the prompts so that `concurrency` are in flight until the last one is sent."""

    async def work(send: _Send, start: float) -> list[Observation]:
        waiting = iter(prompts)
        found: list[Observation] = []

        async def one_stream() -> None:
            for prompt in waiting:
                found.append(await send(prompt, start, 0.0))

        await asyncio.gather(*(one_stream() for _ in range(min(concurrency, len(prompts)))))
        return found

    return _run(target, work, concurrency)


def open_loop(target: Target, prompts: Sequence[Prompt], due_s: Sequence[float]) -> Load:
    """Send each prompt when it is due (seconds from the start), whether or not earlier ones are answered."""

    async def work(send: _Send, start: float) -> list[Observation]:
        async def one(prompt: Prompt, due: float) -> Observation:
            await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
            return await send(prompt, start, max(0.0, time.perf_counter() - start - due))

        return list(await asyncio.gather(*(one(p, d) for p, d in zip(prompts, due_s, strict=True))))

    return _run(target, work, 0)


_Send = Callable[[Prompt, float, float], Awaitable[Observation]]
_Work = Callable[[_Send, float], Awaitable[list[Observation]]]


def _run(target: Target, work: _Work, connections: int) -> Load:
    """Run in a thread of its own: a notebook's kernel already has an event loop in its main thread."""
    done: list[Load] = []
    failed: list[Exception] = []

    async def session() -> None:
        import aiohttp

        connector = aiohttp.TCPConnector(limit=connections, ssl=target.endpoint.tls())
        limits = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=_SILENCE_S)
        async with aiohttp.ClientSession(
            connector=connector, timeout=limits, trust_env=not target.endpoint.is_direct
        ) as http:

            async def send(prompt: Prompt, start: float, late_s: float) -> Observation:
                return replace(await _request(http, target, prompt, start), late_s=late_s)

            gc.freeze()  # a full garbage collection during the load would look like a pause of the server
            began, start, cpu = time.monotonic(), time.perf_counter(), time.process_time()
            found = await work(send, start)
            seconds = time.perf_counter() - start
            share = (time.process_time() - cpu) / seconds
            done.append(Load(tuple(sorted(found, key=lambda o: o.sent_s)), seconds, share, began))

    def thread() -> None:
        try:
            asyncio.run(session())
        except Exception as error:
            failed.append(error)

    worker = threading.Thread(target=thread)
    worker.start()
    worker.join()
    if failed:
        raise MeasurementError(f"the load client failed: {type(failed[0]).__name__}: {failed[0]}") from failed[0]
    return done[0]


async def _request(http: Any, target: Target, prompt: Prompt, start: float) -> Observation:
    import aiohttp

    body = {
        "model": target.model,
        "prompt": prompt if isinstance(prompt, str) else list(prompt),
        "max_tokens": target.output_tokens,
        "temperature": 0,
        "repetition_penalty": 1.0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    url, headers = f"{target.endpoint.base_url}/v1/completions", target.endpoint.headers
    for last in (False, True):
        answer = _Answer(target.empty_chunks)
        sent = time.perf_counter()
        error: str | None = None
        try:
            async with http.post(url, json=body, headers=headers) as response:
                await answer.read(response)
        except MeasurementError as problem:
            error = str(problem)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as problem:
            if not last and not answer.began:  # an idle connection that the server closed as it was used again
                continue
            error = f"{type(problem).__name__}: {problem}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            error = f"{type(problem).__name__}: {problem}"
        break
    return answer.observation(sent, start, error)


class _Answer:
    """One streamed answer as it arrives."""

    def __init__(self, empty_chunks: bool) -> None:
        self._empty_chunks = empty_chunks
        self._stamps: list[float] = []
        self._without_text: list[float] = []
        self._finished = self._done = False
        self.began = False
        self._input: int | None = None
        self._output: int | None = None

    async def read(self, response: Any) -> None:
        """Read to the end.

        Raises:
            MeasurementError: an HTTP error, an answer that is no stream, an error in the stream, or a stream cut off.
        """
        self.began = True
        kind = response.headers.get("Content-Type", "")
        if response.status != 200 or "event-stream" not in kind.lower():
            raise MeasurementError(await _refusal(response, kind))
        events = sse.Events()
        async for received in response.content.iter_any():
            now = time.perf_counter()
            for data in events.feed(received):
                self._take(data, now)
            if self._done:
                await _closed(response)
                return
        for data in events.end():
            self._take(data, time.perf_counter())
        if not self._finished:
            raise MeasurementError("the stream ended before the answer was finished")

    def _take(self, data: str, now: float) -> None:
        if data == sse.DONE:
            self._finished = self._done = True
            return
        chunk = sse.chunk(data)
        self._finished = self._finished or chunk.finish_reason is not None
        self._input = self._input if chunk.input_tokens is None else chunk.input_tokens
        self._output = self._output if chunk.output_tokens is None else chunk.output_tokens
        if chunk.text or (self._empty_chunks and chunk.has_choice):
            self._stamps.append(now)
        elif chunk.has_choice:
            self._without_text.append(now)

    def observation(self, sent: float, start: float, error: str | None) -> Observation:
        stamps = self._stamps or self._without_text  # a model without tokenizer sends no text at all
        if error is None and not stamps:
            error = "the stream held no token"
        gaps = tuple(after - before for before, after in zip(stamps, stamps[1:], strict=False))
        ended = stamps[-1] if stamps and error is None else time.perf_counter()
        return Observation(
            sent_s=sent - start,
            ended_s=ended - start,
            ttft_s=stamps[0] - sent if stamps and error is None else None,
            gaps_s=gaps if error is None else (),
            input_tokens=self._input,
            output_tokens=0 if error else (self._output if self._output is not None else len(stamps)),
            error=error,
        )


async def _closed(response: Any) -> None:
    """Read what follows the last event, so that the connection can be used again; close it where no end comes."""
    import aiohttp

    try:
        await asyncio.wait_for(response.content.read(), _CLOSING_S)
    except (TimeoutError, aiohttp.ClientError):  # the answer is complete, also where the connection fails now
        response.close()


async def _refusal(response: Any, kind: str) -> str:
    body = await response.text(errors="replace")
    told = message_of(body)
    if response.status != 200:
        return f"HTTP {response.status}: {told}"
    return f"HTTP 200, but no event stream ({kind or 'no content type'}): {told}"
