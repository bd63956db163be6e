"""Requests per replica behind one URL, where the server or its router tells: Prometheus counters before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from evalpress.engine.endpoint import Endpoint
from evalpress.params.schema import Params
from evalpress.sections.serving.results import Replica

_ROUTER = re.compile(r'^vllm_router_processed_requests_total\{[^}]*?worker="([^"]+)"[^}]*\} (\S+)$', re.MULTILINE)
_ENGINE = re.compile(r'^vllm:request_success_total\{[^}]*?engine="([^"]+)"[^}]*\} (\S+)$', re.MULTILINE)
OWN = "the server is this suite's own: one replica per mode"
SILENT = (
    "neither the counters of vllm-router nor those of several vLLM engines were found at /metrics; a router that gives "
    "them elsewhere is named with serving.metrics_url"
)
_NONE_GREW = "the counters did not change during the load"


def counted(params: Params, endpoint: Endpoint) -> dict[str, float]:
    """Requests so far by replica; empty where nothing tells."""
    text = _text(params, endpoint) or ""
    routed = _summed(_ROUTER, text)
    engines = {f"engine {name}": count for name, count in _summed(_ENGINE, text).items()}
    return routed or (engines if len(engines) > 1 else {})


def shares(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[tuple[Replica, ...] | None, str | None]:
    """Each replica's share of what was answered between two readings, or None and the reason."""
    if not after:
        return None, SILENT
    grown = {name: round(count - before.get(name, 0.0)) for name, count in after.items()}
    whole = sum(grown.values())
    if whole <= 0:
        return None, _NONE_GREW
    return tuple(Replica(name=name, requests=n, share=n / whole) for name, n in sorted(grown.items())), None


def _text(params: Params, endpoint: Endpoint) -> str | None:
    if params.serving.metrics_url is None:
        return endpoint.text("/metrics")
    parts = urlsplit(params.serving.metrics_url)
    same = parts.netloc == urlsplit(endpoint.base_url).netloc
    key = endpoint.api_key if same else None  # a key is for the server that it was given for
    where = Endpoint(f"{parts.scheme}://{parts.netloc}", key, endpoint.ca_file)
    return where.text(parts.path or "/metrics")


def _summed(pattern: re.Pattern[str], text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in pattern.findall(text):
        try:
            found[name] = found.get(name, 0.0) + float(value)
        except ValueError:
            continue
    return found
