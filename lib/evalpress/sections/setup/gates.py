"""What must hold of the setup section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, Status, gate
from evalpress.sections.setup.results import Results


def gates(params: Params, data: Results) -> Iterator[Gate]:
    """The gates of the setup section."""
    checks = data.version_check
    worst = max((c.status for c in checks), key=("ok", "warn", "fail").index, default="ok")
    odd = [f"{c.component} {c.found or 'not installed'}" for c in checks if c.status != "ok"]
    status: Status = "pass" if worst == "ok" else "warn" if worst == "warn" else "fail"
    yield gate("setup", "version_set", status, "; ".join(odd) or "all match", "one matched version set")
