"""The first stage whose error leaves the noise, by limits from correct implementations of the same model.

A stage leaves the noise where its error is more than `factor` times the largest error of any of them there. The
factor is 2, or more where this model's implementations differ more: 1.5 times the largest ratio of one of them to the
largest of all others at any stage, each left out in turn. So a correct implementation that differs from the known ones
as much as the most different of them does from the others stays below. None of these n left-out comparisons is beyond
the limit, by construction, which bounds the rate of false alarms per stage: 3 / n at 95 % (rule of three).
"""

from __future__ import annotations

from collections.abc import Mapping

from evalpress.sections.alignment.layers import Errors
from evalpress.sections.alignment.results import JudgedStages, Layers, LeftOut, StageErrors

LEAST_FACTOR = 2.0
MARGIN = 1.5
REROUTED = 0.15
"""Share of positions that a layer may send to other experts beyond twice what correct implementations do."""


def compare(noise: Errors, correct: Mapping[str, Errors], candidates: Mapping[str, Errors]) -> Layers:
    """Errors of every stage, the limits, and for each candidate the first stage that leaves the noise.

    Args:
        noise: the noise floor's errors.
        correct: implementation -> its errors; two or more.
        candidates: run -> its errors.
    """
    made = {name: errors.made for name, errors in correct.items()}
    factor, ratios = _factor(made)
    limits = {stage: factor * max(errors[stage] for errors in made.values()) for stage in noise.made}
    routed = [share for errors in correct.values() for share in errors.rerouted.values()]
    may_reroute = 2 * max(routed, default=0.0) + REROUTED
    return Layers(
        limit=factor,
        stages=tuple(noise.made),
        limits=tuple(limits.values()),
        honest={name: tuple(errors.values()) for name, errors in made.items()},
        left_out=LeftOut(
            comparisons=len(ratios),
            largest_ratio=max(ratios),
            beyond_limit=sum(ratio > factor for ratio in ratios),
            false_alarm_rate_upper_95=min(1.0, 3 / len(ratios)),
        ),
        noise_floor=_stage_errors(noise),
        candidates={name: _judged(found, limits, may_reroute) for name, found in candidates.items()},
    )


def _factor(made: Mapping[str, Mapping[str, float]]) -> tuple[float, list[float]]:
    """The factor, and the ratio of each implementation to the largest of the others, stage by stage."""
    ratios = []
    for name, errors in made.items():
        for stage, error in errors.items():
            others = max(other[stage] for key, other in made.items() if key != name)
            if others > 0:
                ratios.append(error / others)
    return max(LEAST_FACTOR, MARGIN * max(ratios, default=1.0)), ratios or [1.0]


def _stage_errors(found: Errors) -> StageErrors:
    arrived, made = tuple(found.arrived.values()), tuple(found.made.values())
    return StageErrors(arrived=arrived, made=made, rerouted=found.rerouted or None)


def _judged(found: Errors, limits: Mapping[str, float], may_reroute: float) -> JudgedStages:
    beyond = [
        name
        for name, error in found.made.items()
        if error > limits[name] or found.rerouted.get(name.removesuffix(" mlp"), 0.0) > may_reroute
    ]
    return JudgedStages(
        **dict(_stage_errors(found)),
        beyond_noise=tuple(beyond),
        first_beyond_noise=beyond[0] if beyond else None,
        first_beyond_noise_why=None if beyond else "no stage leaves the noise",
    )
