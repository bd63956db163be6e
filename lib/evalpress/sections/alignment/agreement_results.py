"""Parts of the alignment section's results: agreement over positions, flips, tails, bins."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from evalpress.core.results import Model


def described(text: str, *default: Any) -> Any:
    """A field with its description, and a default where one is given."""
    return Field(*default, description=text)


class Metrics(Model):
    """Agreement of logits over some positions."""

    n_positions: int
    top1_agreement: float = described("share of positions whose best token is the reference's")
    top5_overlap: float = described("mean share of common tokens of both sides' five best")
    cosine_similarity: float | None = described("mean over the positions where it is defined, in [-1, 1]")
    cosine_similarity_why: str | None = None
    mse: float | None = described("mean squared error of a logit")
    mse_why: str | None = None
    rmse: float | None = described("root of the mean squared error, in logits")
    rmse_why: str | None = None
    centred_rmse: float | None = described("RMSE after the mean difference of each position is taken off, in logits")
    centred_rmse_why: str | None = None
    max_abs_err: float | None = described("largest error of a logit")
    max_abs_err_why: str | None = None
    mean_abs_err: float | None = described("mean absolute error of a logit")
    mean_abs_err_why: str | None = None
    relative_euclidean_distance: float | None = described("norm of the errors over the norm of the reference's logits")
    relative_euclidean_distance_why: str | None = None
    kl_divergence: float = described("mean KL(softmax of the reference || softmax of the candidate), nats")
    mean_relative_error: float | None = described("mean of |error| / |reference's logit|")
    mean_relative_error_why: str | None = None
    match_within_1_percent: float | None = described("share of logits whose error is at most 1 % of the reference's")
    match_within_1_percent_why: str | None = None
    match_within_5_permille: float | None = described("share of logits whose error is at most 5 per mille")
    match_within_5_permille_why: str | None = None
    match_within_2_permille: float | None = described("share of logits whose error is at most 2 per mille")
    match_within_2_permille_why: str | None = None
    undefined_cosines: int = described("positions left out of the cosine: a row of zeros has no direction")
    perplexity_positions: int
    perplexity_reference: float | None = described("exp of the mean negative log likelihood of the next tokens")
    perplexity_reference_why: str | None = None
    perplexity_candidate: float | None = described("the same, of the candidate")
    perplexity_candidate_why: str | None = None
    perplexity_difference: float | None = described("candidate less reference")
    perplexity_difference_why: str | None = None


class Noise(Model):
    """Errors beside the noise floor's at the same positions."""

    noise_ratio: float | None = described("RMSE over the noise floor's RMSE")
    noise_ratio_why: str | None = None
    centred_noise_ratio: float | None = described("centred RMSE over the noise floor's: no shift changes it")
    centred_noise_ratio_why: str | None = None


class FlipCount(Model):
    """Positions where another token was chosen."""

    total: int
    within_noise: int
    unexplained: int
    rerouted: int | None = described("flips beyond the noise where a router took other experts", None)


class Token(Model):
    """A token and its text."""

    id: int
    text: str


class RankedToken(Token):
    """One of the five best."""

    logit: float


class Flip(Model):
    """A position where the candidate chose another token than the reference's best."""

    prompt_id: str
    position: int
    reference: Token
    candidate: Token
    margin: float = described("the reference's best logit less its second best")
    gap: float | None = described("the reference's best logit less its logit of the token that the candidate chose")
    gap_why: str | None = None
    noise_max_abs_err: float = described("error that correct arithmetic may make in a logit there")
    verdict: Literal["within_noise", "unexplained", "rerouted"]
    sentence: str


class Flips(FlipCount):
    """The count and every flip."""

    list: tuple[Flip, ...]


class Tail(Model):
    """Percentiles over positions."""

    median: float
    p90: float
    p99: float
    p99_9: float
    max: float


class Tails(Model):
    """Percentiles of errors, which a mean does not show."""

    n_positions: int
    kl_divergence: Tail = described("nats")
    probability_change: Tail = described("absolute change of the probability of the reference's best token")
    logprob_change: Tail | None = described("absolute change of the log-probability of the text's next token, nats")
    logprob_change_why: str | None = None


class Outlier(Model):
    """A position whose error stands out."""

    prompt_id: str
    position: int
    error: float = described("centred RMSE of the position, in logits")
    ratio: float = described("the error divided by the error of correct arithmetic there")


class Outliers(Model):
    """Positions whose error is more than `factor` times the error of correct arithmetic there."""

    count: int
    allowed: int = described("positions that may stand out: 0; in a mixture of experts as many as routers explain")
    text_share: float | None = described(
        "in a mixture of experts: share of the positions of the median text, two left out", None
    )
    factor: float
    largest_ratio: float
    list: tuple[Outlier, ...] = described("the positions with the largest ratios, at most 20")


class Settled(Noise):
    """A mixture of experts: agreement over the positions that stand out in neither the run nor the noise floor."""

    n_positions: int
    kl_divergence: float = described("nats")
    cosine_similarity: float | None
    cosine_similarity_why: str | None = None
    noise_floor_kl_divergence: float = described("nats, of the noise floor at the same positions")
    noise_floor_cosine_similarity: float | None
    noise_floor_cosine_similarity_why: str | None = None


class Positions(Model):
    """How many of the reference's positions were compared."""

    compared: int
    of_reference: int
    sampled: bool


class PositionBin(Noise):
    """Positions from..to of the texts."""

    from_: int = Field(validation_alias="from", serialization_alias="from")
    to: int
    n: int
    kl_divergence_median: float
    kl_divergence_p90: float
    max_abs_err_median: float | None
    max_abs_err_median_why: str | None = None
    max_abs_err_p90: float | None
    max_abs_err_p90_why: str | None = None


class MarginBin(Model):
    """Positions by the reference's margin, with Wilson's 95 % interval of the share."""

    from_: float = Field(validation_alias="from", serialization_alias="from")
    to: float
    n: int
    same: int
    share: float
    ci_low: float
    ci_high: float


class LastPosition(Metrics):
    """The last compared position of a text."""

    position: int
    margin: float


class TextAgreement(Metrics, Noise):
    """One text of a comparison run."""

    id: str
    kind: str
    flips: FlipCount
    last_position: LastPosition
    top5_reference: tuple[RankedToken, ...]
    top5_candidate: tuple[RankedToken, ...]
