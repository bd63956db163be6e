"""What requests of one workload took in one mode, under the names of vLLM's own benchmarks."""

from __future__ import annotations

from pydantic import Field

from evalpress.core.results import Model
from evalpress.core.stats import Stability


class TtftFigures(Model):
    """Time to first token over requests, in milliseconds: request sent to first token received."""

    mean_ttft_ms: float | None
    median_ttft_ms: float | None
    std_ttft_ms: float | None
    min_ttft_ms: float | None
    max_ttft_ms: float | None
    p90_ttft_ms: float | None
    p99_ttft_ms: float | None
    mean_ttft_ms_why: str | None = None
    median_ttft_ms_why: str | None = None
    std_ttft_ms_why: str | None = None
    min_ttft_ms_why: str | None = None
    max_ttft_ms_why: str | None = None
    p90_ttft_ms_why: str | None = None
    p99_ttft_ms_why: str | None = None


class TpotFigures(Model):
    """Time per output token after the first, over requests, in milliseconds: (E2EL - TTFT) / (output tokens - 1)."""

    mean_tpot_ms: float | None
    median_tpot_ms: float | None
    std_tpot_ms: float | None
    min_tpot_ms: float | None
    max_tpot_ms: float | None
    p90_tpot_ms: float | None
    p99_tpot_ms: float | None
    mean_tpot_ms_why: str | None = None
    median_tpot_ms_why: str | None = None
    std_tpot_ms_why: str | None = None
    min_tpot_ms_why: str | None = None
    max_tpot_ms_why: str | None = None
    p90_tpot_ms_why: str | None = None
    p99_tpot_ms_why: str | None = None


class ItlFigures(Model):
    """Inter-token latency, in milliseconds: the gaps between consecutive tokens, pooled over requests."""

    mean_itl_ms: float | None
    median_itl_ms: float | None
    std_itl_ms: float | None
    min_itl_ms: float | None
    max_itl_ms: float | None
    p90_itl_ms: float | None
    p99_itl_ms: float | None
    mean_itl_ms_why: str | None = None
    median_itl_ms_why: str | None = None
    std_itl_ms_why: str | None = None
    min_itl_ms_why: str | None = None
    max_itl_ms_why: str | None = None
    p90_itl_ms_why: str | None = None
    p99_itl_ms_why: str | None = None


class E2elFigures(Model):
    """End-to-end latency over requests, in milliseconds: request sent to last token received."""

    mean_e2el_ms: float | None
    median_e2el_ms: float | None
    std_e2el_ms: float | None
    min_e2el_ms: float | None
    max_e2el_ms: float | None
    p90_e2el_ms: float | None
    p99_e2el_ms: float | None
    mean_e2el_ms_why: str | None = None
    median_e2el_ms_why: str | None = None
    std_e2el_ms_why: str | None = None
    min_e2el_ms_why: str | None = None
    max_e2el_ms_why: str | None = None
    p90_e2el_ms_why: str | None = None
    p99_e2el_ms_why: str | None = None


class SpeedFigures(TtftFigures, TpotFigures, ItlFigures, E2elFigures):
    """Counts, rates and latencies over all blocks of one mode and workload."""

    duration: float = Field(description="seconds, sum over blocks")
    completed: int = Field(description="requests that generated all the tokens that were asked for")
    failed: int = Field(description="requests that did not")
    total_input_tokens: int
    total_output_tokens: int
    request_throughput: float = Field(description="completed requests per second")
    output_throughput: float = Field(description="generated tokens per second of the whole duration, prefill included")
    total_token_throughput: float = Field(description="prompt and generated tokens per second")
    prefill_throughput: float | None = Field(
        description="prompt tokens per second in which a request was between scheduled and first token"
    )
    prefill_throughput_why: str | None = None
    decode_throughput: float | None = Field(
        description="tokens after the first, per second in which a request was between first and last token"
    )
    decode_throughput_why: str | None = None
    n_blocks: int
    cv_output_throughput: float | None = Field(description="coefficient of variation over blocks, a ratio")
    cv_output_throughput_why: str | None = None
    steadiness: Stability | str = Field(description="stability over blocks: steady, fair, unsteady or unknown")
