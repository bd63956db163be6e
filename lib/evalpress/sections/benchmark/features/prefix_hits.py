"""Prefix-cache hits: what the arithmetic of the prompts says, and what the engine read from its cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from evalpress.core import stats
from evalpress.core.errors import MeasurementError
from evalpress.core.progress import step
from evalpress.engine import Engine, Sampling
from evalpress.params.features import PrefixCacheParams
from evalpress.sections.benchmark.features.depth import Draw
from evalpress.sections.benchmark.features.observations import PrefixRequest, PrefixRequests
from evalpress.sections.benchmark.features.results import PrefixGroup, PrefixHits

_ONE = Sampling(max_tokens=1, ignore_eos=True)


def expected_hits(prompts: Sequence[Sequence[int]], block_size: int) -> list[int]:
    """Tokens of each prompt that are in the cache when the prompts are sent one after the other to an empty one.

    vLLM's rules (`KVCacheManager.get_computed_blocks`): full blocks only, each known by all tokens up to its end, and
    at least the last token of a prompt is computed again, because its logits are needed. Nothing is evicted.
    """
    known: set[tuple[int, ...]] = set()
    hits = []
    for prompt in prompts:
        starts = [tuple(prompt[:end]) for end in range(block_size, len(prompt) + 1, block_size)]
        found = 0
        while found < (len(prompt) - 1) // block_size and starts[found] in known:
            found += 1
        hits.append(found * block_size)
        known.update(starts)
    return hits


def prompts(wanted: PrefixCacheParams, draw: Draw) -> list[tuple[int, list[int]]]:
    """(group, prompt) of every request: group by group, the first tokens the same within a group."""
    found, new = [], count(1000)
    for group, shared_len in enumerate(wanted.shared_lens):
        shared = draw(shared_len, next(new))
        for _ in range(wanted.requests):
            found.append((group, [*shared, *(draw(wanted.own_len, next(new)) if wanted.own_len else [])]))
    return found


def run(loaded: Engine, wanted: PrefixCacheParams, draw: Draw) -> PrefixRequests:
    """Send the requests one after the other to an engine with prefix caching.

    Raises:
        MeasurementError: the KV cache cannot hold them all, so that hits would depend on what it evicts.
    """
    step("features: prefix cache")
    asked, size = prompts(wanted, draw), loaded.block_size
    needed, capacity = sum(-(-(len(ids) + 1) // size) * size for _, ids in asked), loaded.kv_cache_tokens
    if capacity is not None and needed > capacity:
        raise MeasurementError(
            f"the KV cache holds {capacity} tokens, the requests need {needed}: some would be evicted"
        )
    loaded.generate([draw(max(len(ids) for _, ids in asked), 999)], _ONE)  # warm-up
    expected = expected_hits([ids for _, ids in asked], size)
    before = replace(loaded.counters)
    found = []
    for (group, ids), hits in zip(asked, expected, strict=True):
        (done,) = loaded.generate([ids], _ONE)
        found.append(
            PrefixRequest(
                group=group,
                prompt_tokens=len(ids),
                expected_hits=hits,
                cached_tokens=done.cached_tokens,
                ttft=done.timing.ttft,
            )
        )
    counted = loaded.counters.since(before)
    return PrefixRequests(
        block_size=size,
        requests=tuple(found),
        counted_queries=counted.prefix_queries,
        counted_hits=counted.prefix_hits,
    )


def report(wanted: PrefixCacheParams, observed: PrefixRequests) -> PrefixHits:
    """Hits by group and in all, from raw observations."""
    every = observed.requests
    tokens, expected = sum(one.prompt_tokens for one in every), sum(one.expected_hits for one in every)
    hits = sum(one.cached_tokens for one in every)
    groups = [[one for one in every if one.group == group] for group in range(len(wanted.shared_lens))]
    return PrefixHits(
        block_size=observed.block_size,
        groups=tuple(_group(wanted, n, requests) for n, requests in enumerate(groups)),
        prompt_tokens=tokens,
        expected_hits=expected,
        hits=hits,
        counted_queries=observed.counted_queries,
        counted_hits=observed.counted_hits,
        expected_rate=expected / tokens,
        rate=hits / tokens,
    )


def _group(wanted: PrefixCacheParams, number: int, requests: Sequence[PrefixRequest]) -> PrefixGroup:
    return PrefixGroup(
        shared_len=wanted.shared_lens[number],
        own_len=wanted.own_len,
        requests=len(requests),
        prompt_tokens=sum(one.prompt_tokens for one in requests),
        expected_hits=sum(one.expected_hits for one in requests),
        hits=sum(one.cached_tokens for one in requests),
        first_ttft_ms=1e3 * requests[0].ttft,
        later_ttft_ms=1e3 * stats.percentile([one.ttft for one in requests[1:]], 50),
    )
