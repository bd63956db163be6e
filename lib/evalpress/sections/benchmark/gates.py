"""What must hold of the benchmark section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.schema import Params
from evalpress.sections.benchmark.results import Results
from evalpress.sections.gate import Gate, Status, gate


def gates(params: Params, data: Results) -> Iterator[Gate]:
    """The gates of the benchmark section."""
    workloads = [(f"{m}/{n}", w) for m, mode in data.modes.items() for n, w in mode.workloads.items()]
    failed = sum(w.failed for _, w in workloads)
    yield gate("benchmark", "requests_failed", "pass" if failed == 0 else "fail", failed, "0")
    unsteady = [name for name, w in workloads if w.steadiness == "unsteady"]
    found = f"unsteady: {', '.join(unsteady)}" if unsteady else "all steady or fair"
    yield gate("benchmark", "steadiness", "warn" if unsteady else "pass", found, "variation over blocks ≤ 10 %")
    odd = [item for item in data.identities if item.status != "ok"]
    broken = any(item.status == "broken" for item in odd)
    status: Status = "fail" if broken else "warn" if odd else "pass"
    words = "; ".join(f"{item.id}: {item.found}" for item in odd) or f"all {len(data.identities)} hold"
    yield gate("benchmark", "identities", status, words, "all invariants hold")
