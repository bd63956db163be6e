"""What must hold of the benchmark section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from evalpress.params.schema import Params
from evalpress.sections.benchmark.features.results import Features
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
    yield from _features(data.features)
    odd = [item for item in data.identities if item.status != "ok"]
    broken = any(item.status == "broken" for item in odd)
    status: Status = "fail" if broken else "warn" if odd else "pass"
    words = "; ".join(f"{item.id}: {item.found}" for item in odd) or f"all {len(data.identities)} hold"
    yield gate("benchmark", "identities", status, words, "all invariants hold")


def _features(found: Features | None) -> Iterator[Gate]:
    """What must hold of the features that were measured."""
    if found is not None and found.prefix_cache is not None:
        cache = found.prefix_cache
        words = f"{cache.hits:,} by requests, {cache.counted_hits:,} by the engine's counter"
        allowed = f"{cache.expected_hits:,} tokens, by the arithmetic of the prompts"
        yield gate("benchmark", "prefix_cache_hits", "pass" if cache.exact else "warn", words, allowed)
    if found is not None and found.speculation is not None:
        outputs = [load.outputs for load in found.speculation.loads.values()]
        unexplained = sum(one.unexplained for one in outputs)
        words = f"{sum(one.identical for one in outputs)} of {sum(one.of for one in outputs)} identical, "
        words += f"{unexplained} differences unexplained"
        allowed = "0 differences unexplained"
        yield gate("benchmark", "speculation_outputs", "warn" if unexplained else "pass", words, allowed)
