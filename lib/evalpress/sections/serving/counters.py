"""Token counters of a vLLM server (Prometheus, /metrics): a second count of what the client received."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from evalpress.engine.endpoint import Endpoint
from evalpress.sections.serving.client import Observation

_LINE = re.compile(r"^vllm:(prompt|generation)_tokens_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_PATIENCE_S = 1.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Counted:
    """Tokens during one load."""

    by_server: int
    by_client: int


def read(endpoint: Endpoint) -> float | None:
    """Prompt and output tokens that the server has counted since its start, None where it does not report them."""
    text = endpoint.text("/metrics")
    found = _LINE.findall(text or "")
    kinds = {kind for kind, _ in found}
    return sum(float(value) for _, value in found) if kinds == {"prompt", "generation"} else None


def grown(endpoint: Endpoint, before: float | None, observations: Sequence[Observation]) -> Counted | None:
    """What both sides counted; None where the server does not report it or a request failed (counts then differ).

    The server's counters follow its answers by an instant: they are read again until they agree, for at most a second.
    """
    if before is None or any(one.error is not None or one.input_tokens is None for one in observations):
        return None
    by_client = sum((one.input_tokens or 0) + one.output_tokens for one in observations)
    until = time.monotonic() + _PATIENCE_S
    while True:
        after = read(endpoint)
        if after is None:
            return None
        counted = Counted(round(after - before), by_client)
        if counted.by_server == by_client or time.monotonic() > until:
            return counted
        time.sleep(_POLL_S)
