"""Less of the benchmark where `run.budget_minutes` does not allow all of it, and what was left out, in words."""

from __future__ import annotations

from evalpress.params.schema import BenchmarkParams, FeatureParams, ScalingParams, Workload
from evalpress.sections.fewer import Words, count, gone, thinned, told

MIN_BLOCKS = 3
"""Fewer have no interval."""


def scaled(asked: BenchmarkParams, factor: float) -> tuple[BenchmarkParams, Words]:
    """The benchmark in about `factor` of its time; all of it from 1 on.

    Blocks and repeated starts are left out first, blocks down to `MIN_BLOCKS`, then requests of workloads that are sent
    one by one, of the scaling curves repeats and points (their first and last stay), and of the features lengths of
    cached context and requests. Requests that are sent together all stay: a smaller batch has another throughput.
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
    return load if load.concurrent else load.model_copy(update={"num_prompts": count(load.num_prompts, factor)})


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
    """Repeats stay, because fewer have no interval; prefix caching stays, because its hits are counted exactly, and KV
    cache dtypes, because their requests are sent together."""
    depth, speculation = asked.depth, asked.speculation
    if depth:
        depth = depth.model_copy(update={"points": count(depth.points, factor, 2)})
    if speculation:
        speculation = speculation.model_copy(update={"requests": count(speculation.requests, factor)})
    return asked.model_copy(update={"depth": depth, "speculation": speculation})


def _features_in_words(asked: FeatureParams, chosen: FeatureParams) -> Words:
    said: Words = ()
    if asked.depth and chosen.depth:
        said += told(asked.depth.points, chosen.depth.points, "lengths of cached context")
    if asked.speculation and chosen.speculation:
        said += told(asked.speculation.requests, chosen.speculation.requests, "requests of N-gram speculation")
    return said


def _scaling_in_words(asked: ScalingParams, chosen: ScalingParams) -> Words:
    return (
        told(asked.repeats, chosen.repeats, "repeats of the scaling curves")
        + gone(asked.batch_sizes, chosen.batch_sizes, "batch sizes")
        + gone(asked.prompt_lens, chosen.prompt_lens, "prompt lengths")
    )
