"""The typed results of the alignment section: what is in results/alignment.json."""

from __future__ import annotations

from typing import ClassVar, Literal

from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.core.results import Results as Base
from evalpress.sections.alignment import migration
from evalpress.sections.alignment.agreement_results import (
    Flips,
    MarginBin,
    Metrics,
    Noise,
    Outliers,
    PositionBin,
    Positions,
    Settled,
    Tails,
    TextAgreement,
    Token,
    described,
)

CONCURRENT = "_concurrent"
"""End of the name of a run whose prompts were answered among others."""


class Source(Model):
    """What computed the logits."""

    engine: str
    dtype: str
    device: str | None = None
    mode: str | None = None
    transformers: str | None = None
    torch: str | None = None
    attention: str | None = None
    threads: int | None = described("processor threads of the forward passes", None)
    variant: str | None = described("what differs from a plain pass", None)
    load_s: float | None = None
    forward_s: float | None = None
    tokens: int | None = None
    batches: int | None = None
    stand_in: bool | None = described(
        "whether this is a second implementation on the reference's device, which is not judged", None
    )


class Origin(Model):
    """What computed the reference."""

    engine: str
    dtype: str
    device: str | None = None
    transformers: str | None = None
    torch: str | None = None
    attention: str | None = None
    attention_reason: str | None = None
    threads: int | None = described("processor threads of the forward passes", None)
    load_s: float | None = None
    n_positions: int


class Cost(Model):
    """What the reference's passes cost."""

    forward_s: float | None = described("seconds of the forward passes")
    forward_s_why: str | None = None
    tokens: int | None = None
    tokens_why: str | None = None
    padded_tokens: int | None = None
    padded_tokens_why: str | None = None
    batches: int | None = None
    batches_why: str | None = None
    gflop: float | None = described("1e9 floating-point operations")
    gflop_why: str | None = None
    gflop_s: float | None = described("their rate, 1e9 per second")
    gflop_s_why: str | None = None
    matmul_gflop_s: float | None = described("rate of large matrix products on this machine, 1e9 per second")
    matmul_gflop_s_why: str | None = None
    share_of_matrix_rate: float | None
    share_of_matrix_rate_why: str | None = None


class Reference(Cost, Origin):
    """What the reference is and what its passes cost."""


class Run(Metrics, Noise, Source):
    """One comparison run over the texts."""

    scale: Literal["logits", "log_probabilities"] = described("whether the engine gave logits or log-probabilities")
    tails: Tails | None
    tails_why: str | None = None
    outliers: Outliers | None
    outliers_why: str | None = None
    settled: Settled | None = described("in a mixture of experts: without positions that stand out", None)
    flips: Flips
    positions: Positions
    last_positions: Metrics | None = described("over the last positions of the prompts alone")
    last_positions_why: str | None = None
    by_position: tuple[PositionBin, ...]
    by_margin: tuple[MarginBin, ...]
    prompts: tuple[TextAgreement, ...]


class DecodePosition(Model):
    """One generated token."""

    prompt_id: str
    step: int = described("0 is the first generated token, whose logits are the prefill's")
    token: Token
    same_as_reference: bool
    kl_divergence: float = described("nats")
    max_abs_err: float = described("logits")
    gap: float = described("the reference's best logit less its logit of this token")
    honest_error: float = described("error that correct arithmetic may make in a logit there")


class BesideAlone(Model):
    """Errors of the prompts among others over those of the same prompts alone, position by position."""

    n_positions: int
    identical: int = described("positions whose logits err by exactly as much")
    ratio: float | None = described("geometric mean of the ratios of centred RMSEs")
    ratio_why: str | None = None
    low: float | None = described("lower one-sided 99.9 % bound of the ratio, over blocks of four steps")
    low_why: str | None = None


class DecodeRun(Metrics, Noise, Source):
    """One comparison run over generated tokens."""

    steps: int
    scale: Literal["logits", "log_probabilities"]
    tails: Tails
    outliers: Outliers | None
    outliers_why: str | None = None
    settled: Settled | None = described("in a mixture of experts: without positions that stand out", None)
    flips: Flips
    coverage: Positions
    beside_alone: BesideAlone | None = described(
        "for a run among others: errors compared with those of the same prompts alone", None
    )
    not_arg_max: int = described("generated tokens that are not the best of their own logits")
    last_positions: Metrics | None
    last_positions_why: str | None = None
    by_position: tuple[PositionBin, ...] = described("figures by step of generation")
    by_margin: tuple[MarginBin, ...]
    prompts: tuple[TextAgreement, ...]
    positions: tuple[DecodePosition, ...]


class TextRow(Model):
    """A text whose logits are compared."""

    id: str
    kind: str
    language: str
    text: str
    tokens: int
    positions: int


class LastToken(Model):
    """A run's best token at the last position of a prompt."""

    prompt_id: str
    token: int
    text: str


class StageErrors(Model):
    """Relative error of every stage, in the order of `Layers.stages`."""

    arrived: tuple[float, ...] = described("error that arrives at each stage, with everything before it")
    made: tuple[float, ...] = described("error made at each stage, with the reference's own states fed in")
    rerouted: dict[str, float] | None = described("layer -> share of positions sent to other experts", None)


class JudgedStages(StageErrors):
    """The same of a candidate, and where it leaves the noise."""

    beyond_noise: tuple[str, ...]
    first_beyond_noise: str | None
    first_beyond_noise_why: str | None = None


class LeftOut(Model):
    """Correct implementations, each left out in turn and compared with the others, stage by stage."""

    comparisons: int
    largest_ratio: float
    beyond_limit: int
    false_alarm_rate_upper_95: float = described("upper 95 % bound of the rate of false alarms per stage")


class Layers(Model):
    """Where an error starts."""

    limit: float = described("factor over the largest error that a correct implementation makes at the stage")
    stages: tuple[str, ...]
    limits: tuple[float, ...] | None
    limits_why: str | None = None
    honest: dict[str, tuple[float, ...]] = described("implementation -> error made at each stage")
    left_out: LeftOut | None
    left_out_why: str | None = None
    noise_floor: StageErrors
    candidates: dict[str, JudgedStages]


class Arrangement(Model):
    """What batching changes at the prompts' last positions, against each prompt alone."""

    arrangement: str
    identical: int
    of: int
    rmse: float
    max_abs_err: float
    kl_divergence: float = described("nats")
    flips: int


class Spent(Model):
    """Where the section's time went, in seconds of wall time."""

    engine_loads_s: float = described("engines that were not loaded before, and reading their tokenizers")
    engine_steps_s: float = described("vLLM's prefill and decode steps, with the logits as Python objects")
    forward_passes_s: float = described("waiting for transformers' forward passes, in a process of their own")
    comparisons_s: float = described("logits compared with the reference's, in float64, and what follows from them")
    other_s: float
    total_s: float
    comparisons_share: float


class Results(Base):
    """What the alignment section measured."""

    VERSION: ClassVar[int] = 4

    reference: Reference
    texts: tuple[TextRow, ...]
    noise_floor: Run
    candidates: dict[str, Run]
    decode: dict[str, DecodeRun]
    decode_why_not: dict[str, str] = described("run -> why it could not be made")
    last_tokens: dict[str, tuple[LastToken, ...]]
    layers: Layers | None
    layers_why: str | None = None
    batching: dict[str, tuple[Arrangement, ...]]
    spent: Spent | None
    spent_why: str | None = None
    raw: str = described("file of the records of every position, inside results/")

    @classmethod
    def migrate(cls, data: Json, version: int) -> Json:
        """A file of version 1 or 2 in today's form."""
        return migration.current(data, version)
