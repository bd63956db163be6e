"""What a start found in the compile cache and what it left there.

Taken from the engine's log or from torch's own counters. Files alone are no evidence, since some compilers leave
files that no later start loads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalpress.engine import startup
from evalpress.engine.log_lines import Line
from evalpress.engine.startup import AGAIN, EMPTY, PARTLY, USED

NONE = "none: eager mode does not compile"
NOTHING_SAVED = "compiled from nothing, and nothing was saved for later starts"
UNKNOWN = "not known: neither the log nor torch's counters say, and files alone prove nothing"
_SAVED = r"Cache the graph of .* for later use|saved AOT compiled function|Saved compiled graph to cache"


@dataclass(frozen=True)
class Counters:
    """torch's count of graphs that it looked up in its own cache (FX graphs and AOTAutograd)."""

    hits: int
    misses: int


@dataclass(frozen=True)
class CacheUse:
    """`compiled`: whether this start compiled anything, so that it is no warm one."""

    words: str
    compiled: bool


def counters() -> Counters:
    """torch's counters of this process."""
    from torch._dynamo.utils import counters as found

    hits = found["inductor"]["fxgraph_cache_hit"] + found["aot_autograd"]["autograd_cache_hit"]
    return Counters(hits, found["inductor"]["fxgraph_cache_miss"])


def use(lines: Sequence[Line], counted: Counters | None, *, new_files: bool, again: bool) -> CacheUse:
    """What a start of a compiling mode did with the cache.

    Args:
        lines: what was printed while the engine was constructed.
        counted: torch's counters over the start; None for an engine core in another process.
        new_files: whether files appeared in the cache's folders.
        again: whether an engine of the same settings was started in this process before.
    """
    rejected = startup.rejected_cache(lines)
    if rejected:
        return CacheUse(f"found, but vLLM could not load it and compiled again ({rejected})", True)
    told = startup.compile_cache(lines)
    if told == AGAIN:  # the log shows compilation and no loaded graph
        if again or not new_files:
            return CacheUse(AGAIN, True)
        saved = any(re.search(_SAVED, text) for _, text in lines)
        return CacheUse(EMPTY if saved else NOTHING_SAVED, True)
    if told is not None:
        return CacheUse(told, told != USED)
    if counted and counted.hits:
        return CacheUse(PARTLY, True) if counted.misses else CacheUse(USED, False)
    if new_files or (counted and counted.misses):
        return CacheUse(AGAIN if again else EMPTY, True)
    return CacheUse(UNKNOWN, False)


class Watch:
    """Watches both caches, vLLM's own and Inductor's, and torch's counters over one start."""

    def __init__(self, *, in_process: bool) -> None:
        self._files = _files()
        self._counters = counters() if in_process else None

    def use(self, lines: Sequence[Line], *, again: bool) -> CacheUse:
        """`use` of what happened since the watch began; call it as soon as the engine is there."""
        counted = _difference(counters(), self._counters) if self._counters else None
        return use(lines, counted, new_files=bool(_files() - self._files), again=again)


def _files() -> frozenset[str]:
    import vllm.envs

    roots = [Path(vllm.envs.VLLM_CACHE_ROOT) / "torch_compile_cache", Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])]
    return frozenset(str(path) for root in roots for path in root.rglob("*") if path.is_file())


def _difference(after: Counters, before: Counters) -> Counters:
    """What was counted between two readings; a reset between them makes it none."""
    return Counters(max(0, after.hits - before.hits), max(0, after.misses - before.misses))
