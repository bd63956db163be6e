"""What the evidence section measured: answers at temperature 0, determinism checks, signs of a broken engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from evalpress.core import results
from evalpress.core.plain import Json
from evalpress.core.results import Model
from evalpress.model.described import ChatTemplate
from evalpress.params.schema import Mode

_OLDER = "measured by an older version of this suite"


class Settings(Model):
    """How the answers were generated."""

    temperature: float = Field(description="0: greedy decoding")
    max_tokens: int = Field(description="most output tokens of an answer")
    check_tokens: int | None = Field(
        default=None, description="tokens that each determinism check generates in all, at least"
    )
    repeats: int | None = Field(default=None, description="runs of the checks that are repeated")


class Case(Model):
    """One prompt and its answer, asked alone at temperature 0."""

    id: str
    group: str
    prompt: str
    rendered_prompt: str = Field(description="the text that was tokenized")
    prompt_token_ids: tuple[int, ...]
    output: str
    output_token_ids: tuple[int, ...]
    finish_reason: str
    remarks: tuple[str, ...]
    ttft_s: float = Field(description="s, time to the first token")
    latency_s: float = Field(description="s, time to the last token")
    sha256: str = Field(description="SHA-256 of the output's UTF-8 bytes, hex")


class Divergence(Model):
    """The first token at which two outputs for one prompt differ, and what the float32 reference says of the two."""

    case: str
    position: int = Field(description="0-based position in the output")
    token: int | str = Field(description="id in the baseline, or (end)")
    other_token: int | str = Field(description="id in the run that differs, or (end)")
    texts: tuple[str, str] | None = Field(default=None, description="the two tokens as text")
    logit: float | None = None
    other_logit: float | None = None
    logit_margin: float | None = Field(description="distance of the two tokens' raw logits in the reference")
    logit_margin_why: str | None = None
    logits_of: str | None = Field(default=None, description="which model gave the logits")
    dtype_spacing: float | None = Field(
        default=None, description="distance of neighbouring numbers of the engine's dtype there"
    )
    best_token: int | None = Field(default=None, description="the reference's best token there")
    shortfall: float | None = Field(
        default=None, description="how far the worse of the two tokens is below the reference's best logit"
    )
    noise_max_abs_err: float | None = Field(
        default=None, description="largest change of a logit there by the engine's dtype alone, at least its spacing"
    )
    verdict: Literal["within_noise", "unexplained", "rerouted"] | None = Field(
        default=None,
        description="within noise where both tokens lie within twice the noise of the best one; rerouted: they do not, "
        "but in a mixture of experts a router chose at a near tie there or earlier in the text",
    )
    verdict_why: str | None = Field(default=None, description="why there is no verdict")
    sentence: str | None = None


class Check(Model):
    """One determinism check: one thing is changed, and the outputs are compared token by token."""

    rung: str = Field(description="key of the check")
    changed: str = Field(description="what was changed, in words")
    holds_with: dict[str, tuple[str, ...]] = Field(description="platform -> settings that make the check hold")
    against: str | None = Field(default=None, description="which outputs it was compared with")
    runs: int | None = Field(default=None, description="how often every prompt was asked")
    identical: int | None = Field(description="prompts whose outputs were the same in every run")
    identical_why: str | None = None
    of: int | None = Field(description="prompts asked")
    of_why: str | None = None
    first_divergence: Divergence | None
    first_divergence_why: str | None = None
    differing: tuple[str, ...] | None = Field(default=None, description="prompts whose outputs differ")
    divergences: tuple[Divergence, ...] | None = Field(default=None, description="every first difference, once")
    tokens: int | None = Field(description="output tokens compared, each up to the first difference")
    tokens_why: str | None = None
    output_tokens: int | None = Field(default=None, description="tokens of the longest output of one run")
    rate_upper_95: float | None = Field(description="upper 95 % bound on the rate of differences per token")
    rate_upper_95_why: str | None = None
    explained: int | None = Field(description="differing prompts whose differences all lie within the noise")
    explained_why: str | None = None
    unexplained: int | None = Field(description="differing prompts with a difference beyond the noise")
    unexplained_why: str | None = None
    unique_outputs: dict[str, int] | None = Field(description="prompt -> different outputs, the baseline's included")
    unique_outputs_why: str | None = None
    logprobs_identical: int | None = Field(description="tokens whose scores are the same to the last bit")
    logprobs_identical_why: str | None = None
    logprobs_of: int | None = Field(description="tokens whose scores were compared")
    logprobs_of_why: str | None = None
    identical_bytes: int | None = Field(default=None, description="prompts whose texts were the same byte by byte")
    cached_tokens: int | None = Field(default=None, description="prompt tokens that came from the prefix cache")
    prompt_tokens: int | None = Field(default=None, description="prompt tokens in all")
    reference: Mapping[str, object] | None = Field(default=None, description="how the other implementation ran")


class Alarm(Model):
    """One sign of a broken engine in one output."""

    case: str
    kind: Literal["replacement_characters", "script_burst", "repetition_loop", "token_rank"]
    start: int = Field(description="0-based token (character for texts) where it begins")
    end: int
    found: str
    habit: bool | None = Field(
        description="whether the float32 reference prefers the same tokens: a habit of the model"
    )
    habit_why: str | None = None


class AbnormalOutputs(Model):
    """The long outputs of one mode, searched for signs of a broken engine."""

    mode: str
    outputs: int
    tokens: int
    alarms: tuple[Alarm, ...]
    worst_rank: int | None = Field(
        description="largest rank of an output token in the float32 reference, 1: none is clearly better"
    )
    worst_rank_why: str | None = None


class Results(results.Results):
    """The section's results."""

    VERSION: ClassVar[int] = 2

    mode: Mode = Field(description="the engine whose answers are shown")
    sampling: Settings
    base_model: bool
    base_model_how: str
    chat_template: ChatTemplate | None
    chat_template_why: str | None = None
    cases: tuple[Case, ...]
    determinism: tuple[Check, ...]
    reliance: str | None = Field(description="one sentence: what a user may rely on")
    reliance_why: str | None = None
    abnormal: tuple[AbnormalOutputs, ...] | None
    abnormal_why: str | None = None
    first_tokens: dict[str, dict[str, int]] = Field(description="mode -> prompt -> first output token")
    determinism_settings: dict[str, str] = Field(description="variables for determinism that are set in this run")
    note: str

    @classmethod
    def migrate(cls, data: Json, version: int) -> Json:
        """Version 1 had the checks without their power and without explanations."""
        new = (
            "tokens",
            "rate_upper_95",
            "explained",
            "unexplained",
            "unique_outputs",
            "logprobs_identical",
            "logprobs_of",
        )
        missing = dict.fromkeys(new) | {f"{key}_why": _OLDER for key in new}
        rows = [missing | row for row in data.get("determinism", [])]
        whole = dict.fromkeys(("reliance", "abnormal")) | {"reliance_why": _OLDER, "abnormal_why": _OLDER}
        return whole | data | {"determinism": rows}
