"""What must hold of the serving section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalpress.params.schema import Params
from evalpress.sections.gate import Gate, gate


def gates(params: Params, data: Any) -> Iterator[Gate]:
    """The gates of the serving section."""
    failed = sum(point["failed"] for key in ("levels", "rates") for point in data[key])
    yield gate("serving", "requests_failed", "pass" if failed == 0 else "fail", failed, "0")
