"""Results of the scaling curves: speed against batch size, prompt length and output length."""

from __future__ import annotations

from pydantic import Field

from evalpress.core.results import Model
from evalpress.core.stats import Stability


class BatchPoint(Model):
    """One mode at one number of requests at once."""

    mode: str
    runs: int
    batch_size: int
    output_throughput: float
    output_throughput_of_runs: tuple[float, ...] = Field(default=(), description="of each run, tokens/s")
    steadiness: Stability | str = Field(default="not recorded", description="stability over the runs")
    decode_throughput: float | None
    decode_throughput_why: str | None = None
    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    mean_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    bandwidth_bound_tok_s: float | None
    bandwidth_bound_tok_s_why: str | None = None


class PromptPoint(Model):
    """One mode at one prompt length, one request at a time."""

    mode: str
    runs: int
    prompt_len: int
    steadiness: Stability | str = Field(default="not recorded", description="stability over the runs")
    mean_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    min_ttft_ms: float | None
    min_ttft_ms_why: str | None = None
    max_ttft_ms: float | None
    max_ttft_ms_why: str | None = None
    prefill_throughput: float | None
    prefill_throughput_why: str | None = None
    arithmetic_bound_ms: float | None
    arithmetic_bound_ms_why: str | None = None


class OutputLine(Model):
    """The line through E2EL against output length, one request at a time."""

    ms_per_token: float | None
    ms_per_token_why: str | None = None
    ms_per_token_low: float | None = Field(description="95 % interval over the blocks' own slopes")
    ms_per_token_low_why: str | None = None
    ms_per_token_high: float | None
    ms_per_token_high_why: str | None = None
    intercept_ms: float | None
    intercept_ms_why: str | None = None
    r_squared: float | None
    r_squared_why: str | None = None
    requests: int
    blocks: int | None = None


class Scaling(Model):
    """How speed changes with batch size, prompt length and output length."""

    batch: tuple[BatchPoint, ...]
    prompt: tuple[PromptPoint, ...]
    output: dict[str, OutputLine]
    why: str | None = None
