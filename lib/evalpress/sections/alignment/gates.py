"""What must hold of the alignment section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from evalpress.params.schema import GateParams, Params
from evalpress.sections.alignment.results import Results
from evalpress.sections.gate import Gate, gate, limit

_TIMES = 4
_NOT_JUDGED = "not judged: "
_STAND_IN = "a second implementation on the reference's device, not the device under test"


def gates(params: Params, data: Any) -> Iterator[Gate]:
    """The gates of the alignment section."""
    if isinstance(data, Results):
        data = data.model_dump(mode="json")
    runs, limits = data["candidates"], _beside(params.gates, data.get("noise_floor") or {})
    for name, run in runs.items():
        found = _agreement(limits, name, run)
        yield from (_of_a_stand_in(one) for one in found) if run.get("stand_in") else found
    for name, one in _layers(data.get("layers")):
        yield _of_a_stand_in(one) if runs.get(name, {}).get("stand_in") else one
    for name, run in (data.get("decode") or {}).items():
        yield from _agreement(limits, f"decode.{name}", run)
        other, allowed = run["not_arg_max"], "0 tokens that are not the arg max of their own logits"
        yield gate("alignment", f"decode.{name}.chosen_is_argmax", "fail" if other else "pass", other, allowed)


def _beside(g: GateParams, floor: Mapping[str, Any]) -> GateParams:
    """The set's limits, or four times what the dtype alone costs this model where that is more.

    Twice the noise floor's error makes four times its KL divergence. In a mixture of experts a router's near ties
    alone may cost more than limits that suit dense models.
    """
    kl, cosine = floor.get("kl_divergence"), floor.get("cosine_similarity")
    changed = {}
    if kl is not None and g.kl_divergence_max is not None:
        changed["kl_divergence_max"] = max(g.kl_divergence_max, _TIMES * kl)
    if cosine is not None and g.cosine_similarity_min is not None:
        changed["cosine_similarity_min"] = max(-1.0, min(g.cosine_similarity_min, 1 - _TIMES * (1 - cosine)))
    return g.model_copy(update=changed)


def _agreement(g: GateParams, name: str, run: Mapping[str, Any]) -> Iterator[Gate]:
    """Cosine, KL divergence, unexplained flips and noise ratio of one comparison run."""
    yield _judged(run, "cosine_similarity", name, g.cosine_similarity_min, at_least=True)
    yield limit("alignment", f"{name}.kl_divergence", run["kl_divergence"], g.kl_divergence_max, at_least=False)
    unexplained = run["flips"]["unexplained"]
    yield limit("alignment", f"{name}.unexplained_flips", unexplained, g.unexplained_flips_max, at_least=False)
    yield _noise(g, name, run)


def _judged(run: Mapping[str, Any], key: str, name: str, bound: float | None, *, at_least: bool) -> Gate:
    """A metric against its bound; where it is undefined for a good reason, the gate is off and says so."""
    if run[key] is None and run.get("scale") == "log_probabilities":
        return gate("alignment", f"{name}.{key}", "off", None, _NOT_JUDGED + run[f"{key}_why"])
    return limit("alignment", f"{name}.{key}", run[key], bound, at_least=at_least)


def _noise(g: GateParams, name: str, run: Mapping[str, Any]) -> Gate:
    """The noise ratio, of the centred errors where the engine gave log-probabilities."""
    shifted = run.get("scale") == "log_probabilities"
    key = "centred_noise_ratio" if shifted else "noise_ratio"
    if run.get("dtype") == "float32":
        why = "in float32 the noise floor is the order of sums alone, which tells nothing of an engine's rounding"
        return gate("alignment", f"{name}.noise_ratio", "off", run[key], _NOT_JUDGED + why)
    if run[key] is None and run.get(f"{key}_why"):
        return gate("alignment", f"{name}.noise_ratio", "off", None, _NOT_JUDGED + run[f"{key}_why"])
    found = limit("alignment", f"{name}.noise_ratio", run[key], g.noise_ratio_max, at_least=False)
    if found.status == "pass" and g.noise_ratio_warn is not None and run[key] > g.noise_ratio_warn:
        allowed = f"≤ {g.noise_ratio_warn:g}, fails above {g.noise_ratio_max:g}"
        return found.model_copy(update={"status": "warn", "allowed": allowed})
    return found


def _layers(layers: Mapping[str, Any] | None) -> Iterator[tuple[str, Gate]]:
    """Run with hidden states -> the first stage of the model whose error leaves the noise."""
    for name, run in (layers or {}).get("candidates", {}).items():
        first, allowed = run["first_beyond_noise"], "no stage leaves the noise"
        yield name, gate("alignment", f"{name}.layers", "fail" if first else "pass", first or "none", allowed)


def _of_a_stand_in(found: Gate) -> Gate:
    """A stand-in is shown and never decides the verdict."""
    if found.status not in ("fail", "warn"):
        return found
    return found.model_copy(update={"status": "off", "allowed": f"{_NOT_JUDGED}{_STAND_IN} ({found.allowed})"})
