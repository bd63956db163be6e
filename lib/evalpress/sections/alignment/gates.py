"""What must hold of the alignment section for the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evalpress.params.schema import GateParams, Params
from evalpress.sections.gate import Gate, gate, limit


def gates(params: Params, data: Any) -> Iterator[Gate]:
    """The gates of the alignment section."""
    g: GateParams = params.gates
    for name, c in data["candidates"].items():
        yield limit(
            "alignment",
            f"{name}.cosine_similarity",
            c["cosine_similarity"],
            g.cosine_similarity_min,
            at_least=True,
        )
        yield limit("alignment", f"{name}.kl_divergence", c["kl_divergence"], g.kl_divergence_max, at_least=False)
        yield limit(
            "alignment",
            f"{name}.unexplained_flips",
            c["flips"]["unexplained"],
            g.unexplained_flips_max,
            at_least=False,
        )
        noise = limit("alignment", f"{name}.noise_ratio", c["noise_ratio"], g.noise_ratio_max, at_least=False)
        above = (
            g.noise_ratio_warn is not None and c["noise_ratio"] is not None and c["noise_ratio"] > g.noise_ratio_warn
        )
        if noise.status == "pass" and above:
            allowed = f"≤ {g.noise_ratio_warn:g}, fails above {g.noise_ratio_max:g}"
            noise = noise.model_copy(update={"status": "warn", "allowed": allowed})
        yield noise
    yield from _layers(data.get("layers"))


def _layers(layers: dict[str, Any] | None) -> Iterator[Gate]:
    """The first stage of the model whose error leaves the noise, for every leg with hidden states."""
    for name, leg in (layers or {}).get("candidates", {}).items():
        first = leg["first_beyond_noise"]
        yield gate(
            "alignment", f"{name}.layers", "fail" if first else "pass", first or "none", "no stage leaves the noise"
        )
