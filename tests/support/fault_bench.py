"""A model in float32 and bfloat16, and what the alignment section finds in another run of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalpress.model import forward as reference
from evalpress.model.forward import TextLogits
from evalpress.params.schema import GateParams
from evalpress.sections.alignment import comparison, implementations, layer_limits, layers
from evalpress.sections.alignment.baseline import Text
from evalpress.sections.alignment.results import JudgedStages, Source

GATES = GateParams()
DESCRIBED = dict.fromkeys(("noise_floor", "c"), Source(engine="transformers", dtype="bfloat16"))


@dataclass
class Bench:
    """Reference and noise floor of a model, ready to judge candidates."""

    folder: Path
    texts: list[Text]
    logits: dict[str, TextLogits]
    noise: dict[str, TextLogits]
    states: layers.States
    noise_errors: layers.Errors
    correct: dict[str, layers.Errors]

    @property
    def ids(self) -> dict[str, tuple[int, ...]]:
        return {text.id: text.token_ids for text in self.texts}

    def run(self, loaded: reference.Pass) -> dict[str, TextLogits]:
        return dict(reference.forward(loaded, self.ids, {name: range(len(ids)) for name, ids in self.ids.items()}))

    def alarms(self, candidate: dict[str, TextLogits]) -> set[str]:
        """Names of the default gates that a candidate fails."""
        found = comparison.compare(
            self.logits, self.noise.items(), {"c": candidate.items()}, self.texts, str, DESCRIBED
        )
        run: Any = found.candidates["c"]
        limits = {
            "cosine_similarity": run.cosine_similarity < GATES.cosine_similarity_min,
            "kl_divergence": run.kl_divergence > GATES.kl_divergence_max,
            "noise_ratio": run.noise_ratio > GATES.noise_ratio_max,
            "unexplained_flips": run.flips.unexplained > GATES.unexplained_flips_max,
        }
        return {name for name, failed in limits.items() if failed}

    def stage(self, loaded: reference.Pass) -> JudgedStages:
        errors = layers.measure(loaded, self.ids, self.states)
        return layer_limits.compare(self.noise_errors, self.correct, {"c": errors}).candidates["c"]


def bench(folder: Path, texts: list[Text]) -> Bench:
    ids = {text.id: text.token_ids for text in texts}
    every = {name: range(len(tokens)) for name, tokens in ids.items()}
    with reference.loaded(folder, "float32") as run:
        logits, states = dict(reference.forward(run, ids, every)), layers.capture(run, ids)
    with reference.loaded(folder, "bfloat16") as run:
        noise, found = dict(reference.forward(run, ids, every)), {}
        for name, context in implementations.named(run.model, ("sdpa", "eager")).items():
            with context():
                found[name] = layers.measure(run, ids, states)
    return Bench(folder, texts, logits, noise, states, found["sdpa"], found)
