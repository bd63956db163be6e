"""Less of the benchmark where `run.budget_minutes` does not allow all of it, and what was left out, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalpress.params.schema import BenchmarkParams, FeatureParams, ScalingParams, Workload

SHARE = 0.5
"""Share of the budget for this section, which takes about half of the time of a whole report on CPU."""
MIN_BLOCKS = 3
"""Fewer have no interval."""
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What is run, and what of the set was left out for it."""

    benchmark: BenchmarkParams
    left_out: tuple[str, ...] = ()


def scaled(asked: BenchmarkParams, factor: float) -> Plan:
    """The benchmark in about `factor` of its time; all of it from 1 on.

    Blocks are left out first, down to `MIN_BLOCKS`, then requests of each workload, of the scaling curves repeats and
    points (their first and last stay), and of the features lengths of cached context and requests.
    """
    if factor >= 1:
        return Plan(asked)
    blocks = min(asked.blocks, max(MIN_BLOCKS, int(asked.blocks * factor)))
    rest = min(1.0, factor * asked.blocks / blocks)
    loads = {name: _fewer_requests(load, rest) for name, load in asked.workloads.items()}
    scaling = asked.scaling and _fewer_points(asked.scaling, factor)
    said = [f"{asked.blocks - blocks} of {asked.blocks} blocks"] if blocks < asked.blocks else []
    said += [
        f"{asked.workloads[name].num_prompts - load.num_prompts} of {asked.workloads[name].num_prompts} requests per "
        f"block of {name}"
        for name, load in loads.items()
        if load != asked.workloads[name]
    ]
    if asked.scaling and scaling:
        said += _scaling_in_words(asked.scaling, scaling)
    features = _fewer_of_features(asked.features, factor)
    said += _features_in_words(asked.features, features)
    changes = {"blocks": blocks, "workloads": loads, "scaling": scaling, "features": features}
    return Plan(asked.model_copy(update=changes), tuple(said))


def _fewer_requests(load: Workload, factor: float) -> Workload:
    return load.model_copy(update={"num_prompts": max(1, int(load.num_prompts * factor))})


def _fewer_points(asked: ScalingParams, factor: float) -> ScalingParams:
    repeats = max(1, int(asked.repeats * factor))
    rest = min(1.0, factor * (asked.repeats + 1) / (repeats + 1))
    return asked.model_copy(
        update={
            "repeats": repeats,
            "batch_sizes": _thinned(asked.batch_sizes, rest),
            "prompt_lens": _thinned(asked.prompt_lens, rest),
        }
    )


def _fewer_of_features(asked: FeatureParams, factor: float) -> FeatureParams:
    """Repeats stay, because fewer have no interval; prefix caching stays, because its hits are counted exactly."""
    depth, speculation, kv_cache = asked.depth, asked.speculation, asked.kv_cache
    if depth:
        depth = depth.model_copy(update={"points": max(2, int(depth.points * factor))})
    if speculation:
        speculation = speculation.model_copy(update={"requests": max(1, int(speculation.requests * factor))})
    if kv_cache:
        kv_cache = kv_cache.model_copy(update={"requests": max(1, int(kv_cache.requests * factor))})
    return asked.model_copy(update={"depth": depth, "speculation": speculation, "kv_cache": kv_cache})


def _features_in_words(asked: FeatureParams, chosen: FeatureParams) -> list[str]:
    said = []
    if asked.depth and chosen.depth and chosen.depth != asked.depth:
        said.append(f"{asked.depth.points - chosen.depth.points} of {asked.depth.points} lengths of cached context")
    for what, before, after in (
        ("N-gram speculation", asked.speculation, chosen.speculation),
        ("KV cache dtypes", asked.kv_cache, chosen.kv_cache),
    ):
        if before and after and after.requests < before.requests:
            said.append(f"{before.requests - after.requests} of {before.requests} requests of {what}")
    return said


def _thinned(points: Sequence[T], factor: float) -> tuple[T, ...]:
    """About `factor` of the points, spread evenly, the first and the last among them."""
    count = min(len(points), max(2, round(len(points) * factor)))
    if count < 2:
        return tuple(points)
    return tuple(points[round(index * (len(points) - 1) / (count - 1))] for index in range(count))


def _scaling_in_words(asked: ScalingParams, chosen: ScalingParams) -> list[str]:
    said = []
    if chosen.repeats < asked.repeats:
        said.append(f"{asked.repeats - chosen.repeats} of {asked.repeats} repeats of the scaling curves")
    for what, before, after in (
        ("batch sizes", asked.batch_sizes, chosen.batch_sizes),
        ("prompt lengths", asked.prompt_lens, chosen.prompt_lens),
    ):
        gone = [str(point) for point in before if point not in after]
        said += [f"{what} {', '.join(gone)}"] if gone else []
    return said


def estimate(asked: BenchmarkParams, pilot_s: Mapping[str, float], pilot_tokens: int) -> float:
    """Seconds that measured blocks, scaling curves and features take, from one short block of each workload.

    Args:
        pilot_s: seconds of a block of each workload with `pilot_tokens` output tokens per request at most, all modes
            together. Longer outputs are taken to cost in proportion, curves and features as much per token as the
            workloads.
    """
    loads = asked.workloads
    whole = {name: pilot_s[name] * max(1.0, load.output_len / pilot_tokens) for name, load in loads.items()}
    tokens = sum(load.num_prompts * (load.input_len + load.output_len) for load in loads.values())
    measured = sum(whole.values())
    more = _scaling_tokens(asked.scaling) + asked.features.tokens()
    return asked.blocks * measured + more * measured / max(tokens, 1)


def _scaling_tokens(scaling: ScalingParams | None) -> int:
    if scaling is None:
        return 0
    per_batch = scaling.batch_input_len + scaling.batch_output_len
    return (scaling.repeats + 1) * (sum(scaling.batch_sizes) * per_batch + sum(scaling.prompt_lens))
