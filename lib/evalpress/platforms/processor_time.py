"""How much of the processors' time went to what, over a measurement: another program beside it makes it slower.

Source: the line `cpu` of `/proc/stat` (proc(5)), in ticks over all processors, and the time of this process and of its
children that have ended.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from evalpress.core.results import nulls

_STAT = Path("/proc/stat")
_WHY = "this system has no /proc/stat"
_SHARES = ("busy_share", "own_share", "steal_share")


@dataclass(frozen=True)
class Reading:
    """Seconds since some moment, summed over processors."""

    total: float
    idle: float
    steal: float
    own: float


def read(stat: Path = _STAT) -> Reading | None:
    """The time until now; None where the system does not say."""
    try:
        line = stat.read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, idle, waiting, hard, soft, stolen = (int(value) for value in line[1:9])
    except (OSError, ValueError):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    every = user + nice + system + idle + waiting + hard + soft + stolen
    used = os.times()
    own = used.user + used.system + used.children_user + used.children_system
    return Reading(every / tick, (idle + waiting) / tick, stolen / tick, own)


def shares(before: Reading | None, after: Reading | None) -> dict[str, float | str | None]:
    """Shares of all processors' time between two readings, null with the reason where they are not known.

    `busy_share`: not idle; `own_share`: this process and its ended children; `steal_share`: a virtual machine's
    processors waited for their host. What is busy, not own and not stolen went to other programs, or to servers of this
    suite that still ran.
    """
    if before is None or after is None or after.total <= before.total:
        return nulls(_SHARES, _WHY)
    whole = after.total - before.total
    idle, steal, own = (getattr(after, key) - getattr(before, key) for key in ("idle", "steal", "own"))
    found = zip(_SHARES, (whole - idle, own, steal), strict=True)
    return {name: min(1.0, max(0.0, value / whole)) for name, value in found}
