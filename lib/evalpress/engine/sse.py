"""Server-sent events as the HTML standard defines them, and the completion chunks that OpenAI-like servers put in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.engine.endpoint import error_of

DONE = "[DONE]"
_BROKEN = ("abort", "error")
"""Finish reasons of an answer that the server aborted."""


class Events:
    """Data of a stream's events, from its bytes as they arrive.

    Lines end in LF, CRLF or CR; a blank after `data:` is optional; comments, other fields and a byte order mark are
    passed over. A line of data that is a whole JSON document is an event at once, without waiting for the empty line.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._name = ""
        self._first = True

    def feed(self, received: bytes) -> Iterator[str]:
        """The data of every event that these bytes complete."""
        buffer = self._rest + received
        if self._first and len(buffer) >= 3:
            buffer, self._first = buffer.removeprefix(b"\xef\xbb\xbf"), False
        whole = buffer[:-1] if buffer.endswith(b"\r") else buffer  # CR may be the first half of CRLF
        *lines, _ = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        used = max(whole.rfind(b"\n"), whole.rfind(b"\r")) + 1
        self._rest = buffer[used:]
        for line in lines:
            yield from self._line(line.decode("utf-8", errors="replace"))

    def end(self) -> Iterator[str]:
        """What a stream that ended without a last empty line still held."""
        rest, self._rest = self._rest, b""
        if rest.strip():
            yield from self._line(rest.decode("utf-8", errors="replace").rstrip("\r\n"))
        yield from self._flush()

    def _line(self, line: str) -> Iterator[str]:
        if not line:
            yield from self._flush()
            return
        name, _, value = line.partition(":")
        if name == "event":
            self._name = value.strip()
        if name != "data":
            return
        self._data.append(value.removeprefix(" "))
        if len(self._data) == 1 and _is_whole(self._data[0]):
            yield from self._flush()

    def _flush(self) -> Iterator[str]:
        data, self._data = "\n".join(self._data).strip(), []
        name, self._name = self._name, ""
        if name == "error":
            yield _as_error(data)
        elif data:
            yield data


def events(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of every event of a stream whose bytes come in pieces."""
    reading = Events()
    for piece in pieces:
        yield from reading.feed(piece)
    yield from reading.end()


def _as_error(data: str) -> str:
    """The data of an event named `error` as the error object that OpenAI's servers send without such a name."""
    try:
        told = json.loads(data)
    except ValueError:
        told = data or "without a message"
    return data if isinstance(told, dict) and "error" in told else json.dumps({"error": told}, ensure_ascii=False)


def _is_whole(data: str) -> bool:
    if data.strip() == DONE:
        return True
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Chunk:
    """One event of a streaming completion."""

    has_choice: bool
    text: str
    finish_reason: str | None
    input_tokens: int | None
    output_tokens: int | None


def chunk(data: str) -> Chunk:
    """One event's data.

    Raises:
        MeasurementError: it is no JSON object, or the server reports an error in it.
    """
    try:
        body: Any = json.loads(data)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise MeasurementError(f"the stream held no JSON object: {data[:100]!r}")
    error = error_of(body)
    if error is not None:
        raise MeasurementError(f"the server reported an error in the stream: {error}")
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = choice.get("delta")
    text = choice.get("text") or (delta.get("content") if isinstance(delta, dict) else None) or ""
    reason = choice.get("finish_reason")
    if reason in _BROKEN:
        raise MeasurementError(f"the server gave up the answer (finish_reason {reason!r})")
    told = body.get("usage")
    usage = told if isinstance(told, dict) else {}
    return Chunk(
        bool(choice),
        text if isinstance(text, str) else "",
        reason if isinstance(reason, str) and reason else None,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
