"""What an audit says of one statement about published numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from evalpress.claims.interval import Interval
from evalpress.core.plain import Json

Status = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """`broken`: no values inside the published digits satisfy the statement. `note`: it holds, or cannot be
    decided, only under a condition that `why` names."""

    id: str
    status: Status
    statement: str
    found: str
    expected: str
    why: str = ""

    def as_dict(self) -> Json:
        """As in the results file."""
        return asdict(self)


def judge(name: str, statement: str, found: str, expected: str, *, holds: bool, why: str) -> Finding:
    """A finding that is ok or broken; `why` is kept only for a broken one."""
    status: Status = "ok" if holds else "broken"
    return Finding(name, status, statement, found, expected, "" if holds else why)


def meets(name: str, statement: str, found: Interval, expected: Interval, unit: str = "", *, why: str) -> Finding:
    """Whether two intervals have a value in common."""
    words = [f"{side} {unit}".strip() for side in (found, expected)]
    return judge(name, statement, *words, holds=found.meets(expected), why=why)
