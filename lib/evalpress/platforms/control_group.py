"""Memory limit and CPU quota of this process's own control groups (Linux, versions 1 and 2, nested ones too).

Every group from the process's own up to the root of its hierarchy bounds the process, so the tightest one counts.
Sources: the kernel's `admin-guide/cgroup-v2.rst`, `admin-guide/cgroup-v1/memory.rst` and `scheduler/sched-bwc.rst`;
`/proc/<pid>/cgroup` and `/proc/<pid>/mountinfo` as cgroups(7) and proc(5) describe them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_UNLIMITED = 2**60
"""Version 1 writes a number near 2**63 where there is no limit."""


@dataclass(frozen=True)
class Limits:
    """What the control groups allow; None where they allow everything."""

    memory_bytes: int | None
    """The smallest memory limit."""
    memory_available_bytes: int | None
    """The least that a group has left: its limit less what is used, file cache that can be dropped not counted."""
    cpus: float | None
    """The smallest CPU quota, in processors."""


def limits(process: Path = Path("/proc/self"), root: Path = Path("/")) -> Limits:
    """The limits of a process.

    Args:
        process: its folder under /proc.
        root: where absolute paths of the mount table begin; another folder in tests.
    """
    memory = [found for group in _groups(process, root, "memory") if (found := _memory(group))]
    quotas = [quota for group in _groups(process, root, "cpu") if (quota := _quota(group))]
    return Limits(
        memory_bytes=min((limit for limit, _ in memory), default=None),
        memory_available_bytes=min((left for _, left in memory), default=None),
        cpus=min(quotas, default=None),
    )


def _groups(process: Path, root: Path, controller: str) -> Iterator[Path]:
    """Folders of the process's groups that this controller may govern, its own first, then the enclosing ones."""
    paths = _own_paths(process)
    for line in _text(process / "mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2":
            own = paths.get("")
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            own = paths.get(controller)
        else:
            continue
        if own is not None:
            yield from _upwards(root / _unescaped(fields[4]).lstrip("/"), _unescaped(fields[3]), own)


def _own_paths(process: Path) -> dict[str, str]:
    """Controller -> the process's group; version 2 is under the empty name."""
    found: dict[str, str] = {}
    for line in _text(process / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _upwards(mount: Path, mounted: str, own: str) -> Iterator[Path]:
    """The group's folder below its mount point and those above it, up to the mount point.

    In a container the mount may show a part of the hierarchy only (`mounted`); a group outside that part is not
    visible, and the mount point itself is the nearest one that is.
    """
    try:
        inside = PurePosixPath(own).relative_to(mounted)
    except ValueError:
        inside = PurePosixPath()
    if ".." in inside.parts:
        inside = PurePosixPath()
    for part in (inside, *inside.parents):
        yield mount / part


def _memory(group: Path) -> tuple[int, int] | None:
    """Limit and bytes left of one group, None where it sets no limit."""
    bounds = [
        limit
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        if (limit := _number(group / name)) is not None and limit < _UNLIMITED
    ]
    if not bounds:
        return None
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
    return min(bounds), max(0, min(bounds) - max(0, used - _file_cache(group)))


def _file_cache(group: Path) -> int:
    """Bytes of file cache, which the kernel drops before it refuses memory."""
    found = dict(re.findall(r"^(\w+) (\d+)$", _text(group / "memory.stat"), re.MULTILINE))
    names = ("total_inactive_file", "total_active_file") if "total_inactive_file" in found else _FILE_V2
    return sum(int(found.get(name, 0)) for name in names)


_FILE_V2 = ("inactive_file", "active_file")


def _quota(group: Path) -> float | None:
    """Processors that one group may use, None where it sets no quota."""
    parts = _text(group / "cpu.max").split()
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        return int(parts[0]) / int(parts[1])
    quota, period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return quota / period if quota and quota > 0 and period else None


def _number(path: Path) -> int | None:
    """A file's whole number; None where it does not exist or says `max` or -1."""
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _unescaped(text: str) -> str:
    """A path of the mount table, in which blanks are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
