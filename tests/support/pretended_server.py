"""A small OpenAI-like server whose behaviour is chosen by name, for trying clients without an engine.

`python tests/support/pretended_server.py PORT MODE`, or `serving(mode)` in a test. Modes are what servers, gateways and
routers send in practice: usage chunks, preambles, comments, errors in a 200 answer, an HTML login page, a required key.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "k"
STEP_S = 0.002
FIRST = {
    "preamble": ('data: {"choices": [], "prompt_filter_results": []}',),
    "comment": (": keep-alive",),
    "event": ("event: message\nid: 1\nretry: 10\ndata: {}",),
    "bom": ("\ufeffdata: {}",),
}
"""What comes before the first token."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    mode = "good"
    held = ""
    seen: list[dict[str, str]]

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        if self.path == "/health":
            self._send(200, "")
        elif self.path != "/v1/models":
            self._send(404, "{}")
        elif self._locked():
            self._send(401, json.dumps({"error": "Unauthorized"}))
        elif self.mode == "html":
            self._send(200, "<html><title>login</title></html>", "text/html")
        elif self.mode == "okerr":
            self._send(200, json.dumps({"error": {"message": "model is loading"}}))
        else:
            names = [] if self.mode == "nomodels" else ["m", "n"]
            self._send(200, json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.seen.append(dict(self.headers) | {"body": json.dumps(body)})
        if self._locked():
            self._send(401, json.dumps({"error": "Unauthorized"}))
        elif self.mode == "err400":
            self._send(400, json.dumps({"error": {"message": "bad\n\u001b[31mred", "type": "BadRequestError"}}))
        elif self.mode == "posthtml":
            self._send(200, "<html><title>login</title></html>", "text/html")
        elif self.mode == "postokerr":
            self._send(200, json.dumps({"error": {"message": "model is loading"}}))
        elif body.get("stream"):
            self._stream(body)
        else:
            self._whole(body)

    def _locked(self) -> bool:
        return self.mode == "auth" and self.headers.get("Authorization") != f"Bearer {KEY}"

    def _whole(self, body: dict[str, Any]) -> None:
        tokens = body.get("max_tokens", 16)
        choice = {"text": "x" * 8, "finish_reason": "length", "token_ids": [1] * tokens}
        self._send(200, json.dumps({"choices": [choice], "usage": self._usage(body)}))

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header(
            "Content-Type", "Text/Event-Stream" if self.mode == "capital" else "text/event-stream; charset=utf-8"
        )
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        end = {"crlf": "\r\n\r\n", "cr": "\r\r", "oneline": "\n"}.get(self.mode, "\n\n")
        data = "data:" if self.mode == "nospace" else "data: "
        for text in FIRST.get(self.mode, ()):
            self._write(text + end)
        tokens = body.get("max_tokens", 16)
        for index in range(tokens):
            time.sleep(STEP_S * (10 if self.mode == "emptyfirst" and index == 1 else 1))
            if index == 3 and self.mode == "miderror":
                self._write('data: {"error": {"message": "EngineDeadError", "code": 500}}\n\n')
                break
            if index == 3 and self.mode == "errorevent":
                self._write('event: error\ndata: {"message": "EngineDeadError", "code": 500}\n\n')
                break
            if index == 3 and self.mode in ("cut", "emptyreason-cut"):
                self.close_connection = True
                self.wfile.write(b"0\r\n\r\n")
                return
            if self.mode == "comment":
                self._write(": keep-alive" + end)
            chunk = data + json.dumps(self._chunk(body, index, tokens), ensure_ascii=False) + end
            if self.mode == "held" and index < tokens - 1:  # a proxy that passes the answer on when it is complete
                self.held += chunk
                continue
            self._write(self.held + chunk)
            self.held = ""
        if self.mode != "nousage" and (self.mode == "usage" or (body.get("stream_options") or {}).get("include_usage")):
            self._write(data + json.dumps({"choices": [], "usage": self._usage(body)}) + end)
        self._write(data + "[DONE]" + ("" if self.mode == "noend" else end))
        if self.mode == "open":  # the connection stays open after the last event
            time.sleep(5)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, body: dict[str, Any], index: int, tokens: int) -> dict[str, Any]:
        text: str | None = "你" if self.mode == "utf8" else "x"
        if index == 0:
            text = {"nulltext": None, "emptyfirst": ""}.get(self.mode, text)
        done = "length" if index == tokens - 1 else "" if self.mode.startswith("emptyreason") else None
        if self.mode == "abort" and index == 2:
            done = "abort"
        found: dict[str, Any] = {"choices": [{"index": 0, "text": text, "finish_reason": done}]}
        return found | ({"usage": self._usage(body)} if self.mode == "everyusage" else {})

    def _usage(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt, tokens = body["prompt"], body.get("max_tokens", 16)
        sent = len(prompt) if isinstance(prompt, list) else 5
        return {"prompt_tokens": sent, "completion_tokens": tokens, "prompt_tokens_details": None}

    def _write(self, text: str) -> None:
        raw = text.encode()
        at = raw.find("你".encode()) + 1 if self.mode == "utf8" else 0  # a character cut in two
        for part in (raw[:at], raw[at:]) if at > 0 else (raw,):
            self.wfile.write(b"%x\r\n" % len(part) + part + b"\r\n")
            self.wfile.flush()

    def _send(self, code: int, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes the connection is no error of the server."""


@contextlib.contextmanager
def serving(mode: str = "good", seen: list[dict[str, str]] | None = None) -> Iterator[str]:
    """The base URL of a server of this kind; headers and bodies that it was sent are put into `seen`."""
    handler = type("Chosen", (Handler,), {"mode": mode, "seen": [] if seen is None else seen})
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


if __name__ == "__main__":
    Handler.mode, Handler.seen = sys.argv[2], []
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
