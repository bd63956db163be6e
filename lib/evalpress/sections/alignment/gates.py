"""What must hold of the alignment section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from evalpress.params.schema import GateParams, Params
from evalpress.sections.alignment.agreement_results import Outliers
from evalpress.sections.alignment.outliers import TEXT_SHARE
from evalpress.sections.alignment.results import DecodeRun, Layers, Results, Run
from evalpress.sections.gate import Gate, Status, gate, limit

_TIMES = 4
_BATCH_WARN, _BATCH_FAIL = 1.02, 1.05
_SETTLED = (
    *("kl_divergence", "cosine_similarity", "cosine_similarity_why", "noise_ratio", "noise_ratio_why"),
    *("centred_noise_ratio", "centred_noise_ratio_why"),
)
_NOT_JUDGED = "not judged: "
_STAND_IN = "a second implementation on the reference's device, not the device under test"


def gates(params: Params, data: Results) -> Iterator[Gate]:
    """The gates of the alignment section."""
    for name, run in data.candidates.items():
        found = agreement(params.gates, name, run, data.noise_floor)
        yield from (_of_a_stand_in(one) for one in found) if run.stand_in else found
    for name, one in _layers(data.layers):
        yield _of_a_stand_in(one) if name in data.candidates and data.candidates[name].stand_in else one
    for name, answered in data.decode.items():
        yield from agreement(params.gates, f"decode.{name}", answered, data.noise_floor)
        other, allowed = answered.not_arg_max, "0 tokens that are not the arg max of their own logits"
        yield gate("alignment", f"decode.{name}.chosen_is_argmax", "fail" if other else "pass", other, allowed)
        if answered.dtype != "float32" and answered.beside_alone is not None and answered.beside_alone.low is not None:
            yield _beside_alone(f"decode.{name}.beside_alone", answered.beside_alone.low)


def _beside_alone(name: str, low: float) -> Gate:
    """Lower bound of the factor by which errors are larger in a shared batch."""
    status: Status = "fail" if low > _BATCH_FAIL else "warn" if low > _BATCH_WARN else "pass"
    allowed = f"≤ {_BATCH_WARN:g} times the error alone (lower 99.9 % bound), fails above {_BATCH_FAIL:g}"
    return gate("alignment", name, status, low, allowed)


def _beside(g: GateParams, kl: float, cosine: float | None) -> GateParams:
    """The set's limits, or four times the error of the dtype alone (`kl`, `cosine`) where that is more.

    Twice the noise floor's error makes four times its KL divergence. Over 174 runs of correct implementations of tiny
    mixtures of experts KL over settled positions was at most 2.3 times the noise floor's, over 338 of dense models 1.7.
    """
    changed = {}
    if g.kl_divergence_max is not None:
        changed["kl_divergence_max"] = max(g.kl_divergence_max, _TIMES * kl)
    if cosine is not None and g.cosine_similarity_min is not None:
        changed["cosine_similarity_min"] = max(-1.0, min(g.cosine_similarity_min, 1 - _TIMES * (1 - cosine)))
    return g.model_copy(update=changed)


def agreement(g: GateParams, name: str, run: Run | DecodeRun, floor: Run) -> Iterator[Gate]:
    """Cosine, KL divergence, unexplained flips, noise ratio and single positions of one comparison run.

    Of a mixture of experts cosine, KL and noise ratio are those of its settled positions (`routing`).
    """
    kl, cosine = floor.kl_divergence, floor.cosine_similarity
    if run.settled is not None:
        kl, cosine = run.settled.noise_floor_kl_divergence, run.settled.noise_floor_cosine_similarity
        run = run.model_copy(update={key: getattr(run.settled, key) for key in _SETTLED})
    g = _beside(g, kl, cosine)
    yield _cosine(g, name, run)
    yield limit("alignment", f"{name}.kl_divergence", run.kl_divergence, g.kl_divergence_max, at_least=False)
    unexplained = run.flips.unexplained
    yield limit("alignment", f"{name}.unexplained_flips", unexplained, g.unexplained_flips_max, at_least=False)
    yield _noise(g, name, run)
    if run.outliers is not None:
        yield _outliers(name, run.outliers)


def _outliers(name: str, found: Outliers) -> Gate:
    """Positions whose error stands out: none is allowed, however small their share; few where routers explain them."""
    allowed = f"≤ {found.allowed} positions beyond {found.factor:g} times the error of correct arithmetic there"
    status: Status = "fail" if found.count > found.allowed else "pass"
    if found.text_share is not None:
        allowed += f", and ≤ {TEXT_SHARE:.0%} of the positions of the median text"
        status = "fail" if found.text_share > TEXT_SHARE else status
    return gate("alignment", f"{name}.outlier_positions", status, found.count, allowed)


def _cosine(g: GateParams, name: str, run: Run | DecodeRun) -> Gate:
    """The cosine against its bound; where log-probabilities leave it undefined, the gate is off, with the reason."""
    cosine = run.cosine_similarity
    if cosine is None and run.scale == "log_probabilities":
        why = f"{_NOT_JUDGED}{run.cosine_similarity_why}"
        return gate("alignment", f"{name}.cosine_similarity", "off", None, why)
    return limit("alignment", f"{name}.cosine_similarity", cosine, g.cosine_similarity_min, at_least=True)


def _noise(g: GateParams, name: str, run: Run | DecodeRun) -> Gate:
    """The noise ratio, of the centred errors where the engine gave log-probabilities."""
    shifted = run.scale == "log_probabilities"
    ratio = run.centred_noise_ratio if shifted else run.noise_ratio
    why = run.centred_noise_ratio_why if shifted else run.noise_ratio_why
    if run.dtype == "float32":
        why = "in float32 the noise floor is the order of sums alone, which tells nothing of an engine's rounding"
        return gate("alignment", f"{name}.noise_ratio", "off", ratio, _NOT_JUDGED + why)
    if ratio is None:
        return gate("alignment", f"{name}.noise_ratio", "off", None, f"{_NOT_JUDGED}{why}")
    found = limit("alignment", f"{name}.noise_ratio", ratio, g.noise_ratio_max, at_least=False)
    if found.status == "pass" and g.noise_ratio_warn is not None and ratio > g.noise_ratio_warn:
        allowed = f"≤ {g.noise_ratio_warn:g}, fails above {g.noise_ratio_max:g}"
        return found.model_copy(update={"status": "warn", "allowed": allowed})
    return found


def _layers(layers: Layers | None) -> Iterator[tuple[str, Gate]]:
    """Run with hidden states -> the first stage of the model whose error leaves the noise."""
    for name, run in layers.candidates.items() if layers else ():
        first, allowed = run.first_beyond_noise, "no stage leaves the noise"
        status: Literal["fail", "pass"] = "fail" if first else "pass"
        yield name, gate("alignment", f"{name}.layers", status, first or "none", allowed)


def _of_a_stand_in(found: Gate) -> Gate:
    """A second implementation is shown and never decides the verdict."""
    if found.status not in ("fail", "warn"):
        return found
    return found.model_copy(update={"status": "off", "allowed": f"{_NOT_JUDGED}{_STAND_IN} ({found.allowed})"})
