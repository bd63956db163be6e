"""What must hold of the serving section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, gate
from evalpress.sections.serving.results import Results


def gates(params: Params, data: Results) -> Iterator[Gate]:
    """The gates of the serving section."""
    points = [*data.levels, *data.rates]
    failed = sum(point.failed for point in points)
    told = next((point.failed_first for point in points if point.failed_first), None)
    found = f"{failed} of {sum(point.num_prompts for point in points)}: {told}" if told else failed
    yield gate("serving", "requests_failed", "fail" if failed else "pass", found, "0")
    broken = [f"{one.statement}: {one.found}" for one in data.identities if one.status == "broken"]
    yield gate(
        "serving", "identities", "fail" if broken else "pass", "; ".join(broken) or "all hold", "all invariants hold"
    )
    moving = [f"{point.mode} at {point.load_words}" for point in points if point.drifts]
    yield gate("serving", "drift", "warn" if moving else "pass", ", ".join(moving) or "none", "no point drifts")
    bound = [f"{point.mode} at {point.load_words}" for point in points if point.client_bound]
    yield gate(
        "serving",
        "client_bound",
        "warn" if bound else "pass",
        ", ".join(bound) or "none",
        "the client is not the bottleneck at any point",
    )
