"""A round-robin proxy that counts as vllm-router 0.1.17 does, for trying several replicas behind one URL."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen


@contextlib.contextmanager
def routing(workers: Sequence[str]) -> Iterator[str]:
    """The proxy's address for the length of a `with` block; its counters are at /metrics."""
    turn, done, lock = itertools.cycle(workers), Counter[str](), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/metrics":
                name = "vllm_router_processed_requests_total"
                self._send("".join(f'{name}{{worker="{one}"}} {done[one]}\n' for one in workers).encode(), "text/plain")
            else:
                with urlopen(workers[0] + self.path, timeout=10) as reply:
                    self._send(reply.read(), reply.headers.get("Content-Type", "text/plain"))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                worker = next(turn)
                done[worker] += 1
            with urlopen(Request(worker + self.path, data=body, headers=dict(self.headers)), timeout=10) as reply:
                self._send(reply.read(), reply.headers["Content-Type"])

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
