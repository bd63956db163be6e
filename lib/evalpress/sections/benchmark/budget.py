"""Less of the benchmark where `run.budget_minutes` does not allow all of it, and what was left out, in words."""

from __future__ import annotations

from evalpress.params.schema import BenchmarkParams, FeatureParams, ScalingParams, Workload
from evalpress.sections.fewer import Words, count, gone, thinned, told

MIN_BLOCKS = 3
"""Fewer have no interval."""
MIN_BATCH = 4
"""Fewer requests at once are no throughput of a batch any more."""


def scaled(asked: BenchmarkParams, factor: float) -> tuple[BenchmarkParams, Words]:
    """The benchmark in about `factor` of its time; all of it from 1 on.

    Blocks and repeated starts are left out first, blocks down to `MIN_BLOCKS`, then requests of each workload, of the
    scaling curves repeats and points (their first and last stay), and of the features lengths of cached context and
    requests.
    """
    if factor >= 1:
        return asked, ()
    blocks = count(asked.blocks, factor, MIN_BLOCKS)
    rest = min(1.0, factor * asked.blocks / blocks)
    loads = {name: _fewer_requests(load, rest) for name, load in asked.workloads.items()}
    starts = count(asked.startup_repeats, factor)
    said = told(asked.startup_repeats, starts, "starts of each engine") + told(asked.blocks, blocks, "blocks")
    for name, load in asked.workloads.items():
        said += told(load.num_prompts, loads[name].num_prompts, f"requests per block of {name}")
    scaling = asked.scaling and _fewer_points(asked.scaling, factor)
    if asked.scaling and scaling:
        said += _scaling_in_words(asked.scaling, scaling)
    features = _fewer_of_features(asked.features, factor)
    said += _features_in_words(asked.features, features)
    changes = {"blocks": blocks, "workloads": loads, "scaling": scaling, "features": features}
    changes |= {"startup_repeats": starts}
    return asked.model_copy(update=changes), said


def _fewer_requests(load: Workload, factor: float) -> Workload:
    least = MIN_BATCH if load.kind == "throughput" and load.concurrent else 1
    return load.model_copy(update={"num_prompts": count(load.num_prompts, factor, least)})


def _fewer_points(asked: ScalingParams, factor: float) -> ScalingParams:
    repeats = count(asked.repeats, factor)
    rest = min(1.0, factor * (asked.repeats + 1) / (repeats + 1))
    return asked.model_copy(
        update={
            "repeats": repeats,
            "batch_sizes": thinned(asked.batch_sizes, rest),
            "prompt_lens": thinned(asked.prompt_lens, rest),
        }
    )


def _fewer_of_features(asked: FeatureParams, factor: float) -> FeatureParams:
    """Repeats stay, because fewer have no interval; prefix caching stays, because its hits are counted exactly."""
    depth, speculation, kv_cache = asked.depth, asked.speculation, asked.kv_cache
    if depth:
        depth = depth.model_copy(update={"points": count(depth.points, factor, 2)})
    if speculation:
        speculation = speculation.model_copy(update={"requests": count(speculation.requests, factor)})
    if kv_cache:
        kv_cache = kv_cache.model_copy(update={"requests": count(kv_cache.requests, factor)})
    return asked.model_copy(update={"depth": depth, "speculation": speculation, "kv_cache": kv_cache})


def _features_in_words(asked: FeatureParams, chosen: FeatureParams) -> Words:
    said: Words = ()
    if asked.depth and chosen.depth:
        said += told(asked.depth.points, chosen.depth.points, "lengths of cached context")
    if asked.speculation and chosen.speculation:
        said += told(asked.speculation.requests, chosen.speculation.requests, "requests of N-gram speculation")
    if asked.kv_cache and chosen.kv_cache:
        said += told(asked.kv_cache.requests, chosen.kv_cache.requests, "requests of KV cache dtypes")
    return said


def _scaling_in_words(asked: ScalingParams, chosen: ScalingParams) -> Words:
    return (
        told(asked.repeats, chosen.repeats, "repeats of the scaling curves")
        + gone(asked.batch_sizes, chosen.batch_sizes, "batch sizes")
        + gone(asked.prompt_lens, chosen.prompt_lens, "prompt lengths")
    )
