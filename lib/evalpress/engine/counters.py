"""What the scheduler of one engine counted: prefix-cache look-ups and speculative tokens.

vLLM's own counters (`vllm:prefix_cache_queries`, `vllm:spec_decode_num_drafts` and others) are kept once per process,
and the engine that was loaded last starts them again. The same numbers of each step are added up here, per engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass
class Counters:
    """Sums over the steps since the engine was loaded. Taken apart by subtracting an earlier copy."""

    prefix_queries: int = 0
    """Tokens of new requests that were looked up in the prefix cache."""
    prefix_hits: int = 0
    """Tokens of them that were found there."""
    drafts: int = 0
    """Drafts: at most one per request and step."""
    draft_tokens: int = 0
    accepted_tokens: int = 0
    accepted_per_position: tuple[int, ...] = ()
    """How often the first, second, … token of a draft was accepted."""

    def add(self, scheduler: Any) -> None:
        """Add one step's `SchedulerStats` of vLLM."""
        prefix = getattr(scheduler, "prefix_cache_stats", None)
        if prefix is not None:
            self.prefix_queries += int(prefix.queries)
            self.prefix_hits += int(prefix.hits)
        drafted = getattr(scheduler, "spec_decoding_stats", None)
        if drafted is not None:
            self.drafts += int(drafted.num_drafts)
            self.draft_tokens += int(drafted.num_draft_tokens)
            self.accepted_tokens += int(drafted.num_accepted_tokens)
            pairs = zip_longest(self.accepted_per_position, drafted.num_accepted_tokens_per_pos, fillvalue=0)
            self.accepted_per_position = tuple(int(a + b) for a, b in pairs)

    def plus(self, other: Counters) -> Counters:
        """Both together."""
        return self._with(other, 1)

    def since(self, earlier: Counters) -> Counters:
        """What was counted after `earlier`."""
        return self._with(earlier, -1)

    def _with(self, other: Counters, sign: int) -> Counters:
        pairs = zip_longest(self.accepted_per_position, other.accepted_per_position, fillvalue=0)
        keys = ("prefix_queries", "prefix_hits", "drafts", "draft_tokens", "accepted_tokens")
        sums = {key: getattr(self, key) + sign * getattr(other, key) for key in keys}
        return Counters(**sums, accepted_per_position=tuple(a + sign * b for a, b in pairs))
