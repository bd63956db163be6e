"""What must hold of the benchmark section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, gate


def gates(params: Params, data: Any) -> Iterator[Gate]:
    """The gates of the benchmark section."""
    modes = data["modes"]
    failed = sum(w["failed"] for mode in modes.values() for w in mode["workloads"].values())
    yield gate("benchmark", "requests_failed", "pass" if failed == 0 else "fail", failed, "0")
    unsteady = [
        f"{m}/{n}" for m, mode in modes.items() for n, w in mode["workloads"].items() if w["steadiness"] == "unsteady"
    ]
    shown = f"unsteady: {', '.join(unsteady)}" if unsteady else "all steady or fair"
    yield gate("benchmark", "steadiness", "warn" if unsteady else "pass", shown, "variation over blocks ≤ 10 %")
    odd = [i["id"] for i in data["identities"] if i["status"] != "ok"]
    yield gate(
        "benchmark",
        "identities",
        "warn" if odd else "pass",
        ", ".join(odd) or "all hold",
        "all identities hold",
    )
