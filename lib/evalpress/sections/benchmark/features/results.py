"""Results of the parts that a set switches on under `benchmark.features`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evalpress.core.results import Model

OFF = "this set does not ask for it (benchmark.features)"


class DepthPoint(Model):
    """Speed of one request with so many tokens of its prompt in the KV cache."""

    cached_tokens: int = Field(description="tokens of the prompt that were in the KV cache, whole blocks")
    runs: int
    decode_s_per_token: float = Field(description="median over the runs of the time between tokens, s")
    decode_s_per_token_low: float | None = Field(description="95 % interval of the median, order statistics")
    decode_s_per_token_low_why: str | None = None
    decode_s_per_token_high: float | None
    decode_s_per_token_high_why: str | None = None
    decode_tok_s: float = Field(description="1 / decode_s_per_token, tok/s")
    prefill_s: float = Field(description="median over the runs: scheduled to first token of the chunk, s")
    prefill_s_low: float | None = Field(description="95 % interval of the median, order statistics")
    prefill_s_low_why: str | None = None
    prefill_s_high: float | None
    prefill_s_high_why: str | None = None
    prefill_tok_s: float = Field(description="tokens of the chunk / prefill_s, tok/s")


class Depth(Model):
    """How decoding and prefill become slower with the tokens that are in the KV cache."""

    rule: str = Field(description="which lengths were measured, in words")
    block_size: int = Field(description="tokens per block of the KV cache")
    output_len: int = Field(description="tokens generated at each length")
    chunk_len: int = Field(description="prompt tokens after the cached ones where prefill is timed")
    points: tuple[DepthPoint, ...]
    slope_s: float = Field(description="seconds that one more cached token adds to a decode step (Theil-Sen, all runs)")
    slope_s_low: float = Field(description="95 % interval (Sen)")
    slope_s_high: float
    kv_bytes_per_cached_token: float | None = Field(
        description="KV bytes that a decode step reads more per cached token, between the first and the last length"
    )
    kv_bytes_per_cached_token_why: str | None = None
    bound_s: float | None = Field(description="those bytes / measured memory bandwidth, s per cached token")
    bound_s_why: str | None = None
    ratio: float | None = Field(description="slope_s / bound_s")
    ratio_why: str | None = None


class PrefixGroup(Model):
    """Requests whose prompts begin with the same tokens."""

    shared_len: int = Field(description="first tokens that all prompts of the group have in common")
    own_len: int = Field(description="further tokens of each prompt")
    requests: int
    prompt_tokens: int = Field(description="of all its requests")
    expected_hits: int = Field(description="tokens that the arithmetic of the prompts finds in the cache")
    hits: int = Field(description="tokens that the engine read from the cache, by its requests")
    first_ttft_ms: float = Field(description="TTFT of the group's first request")
    later_ttft_ms: float = Field(description="median TTFT of its other requests")


class PrefixHits(Model):
    """Prefix-cache hits, counted by the engine and computed from the prompts."""

    block_size: int = Field(description="tokens per block; only full blocks are kept")
    groups: tuple[PrefixGroup, ...]
    prompt_tokens: int
    expected_hits: int
    hits: int = Field(description="RequestOutput.num_cached_tokens, summed")
    counted_queries: int = Field(description="vLLM's prefix_cache_queries, of these requests")
    counted_hits: int = Field(description="vLLM's prefix_cache_hits, of these requests")
    expected_rate: float = Field(description="expected_hits / prompt_tokens, a share")
    rate: float = Field(description="hits / prompt_tokens, a share")

    @property
    def exact(self) -> bool:
        """Whether every group's hits, and the engine's counters, are what the arithmetic says."""
        same = all(group.hits == group.expected_hits for group in self.groups)
        return same and (self.counted_queries, self.counted_hits) == (self.prompt_tokens, self.expected_hits)


class Speed(Model):
    """Output tokens per second without and with a feature, run by run in turn."""

    plain_tok_s: float = Field(description="output tokens / duration over all runs")
    feature_tok_s: float
    ratio: float = Field(description="geometric mean of the paired ratios, with / without")
    ci_low: float | None = Field(description="95 % Student-t interval on logarithms")
    ci_low_why: str | None = None
    ci_high: float | None
    ci_high_why: str | None = None
    n_pairs: int


class Difference(Model):
    """Where the output with a feature first differs from the one without."""

    request: int = Field(description="place of the prompt, from 0")
    position: int = Field(description="place of the token in the output, from 0")
    token: int = Field(description="token id without the feature")
    other_token: int = Field(description="token id with it")
    shortfall: float = Field(description="best raw logit there minus the lower of the two tokens', plain engine")
    spacing: float = Field(description="distance of neighbouring numbers of the engine's dtype at the best logit")
    verdict: Literal["within_rounding", "unexplained"]


class Outputs(Model):
    """Greedy outputs without and with a feature."""

    identical: int
    of: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> int:
        """Outputs whose first difference is no tie."""
        return sum(one.verdict == "unexplained" for one in self.differences)


class SpeculationLoad(Model):
    """Speculation on one kind of prompts. Counters are those of the measured runs."""

    requests: int
    drafts: int
    draft_tokens: int
    accepted_tokens: int
    acceptance_rate: float | None = Field(description="accepted_tokens / draft_tokens, as vLLM documents it")
    acceptance_rate_why: str | None = None
    mean_acceptance_length: float | None = Field(
        description="1 + accepted_tokens / drafts: tokens per step with a draft, the verified one included (vLLM)"
    )
    mean_acceptance_length_why: str | None = None
    accepted_per_position: tuple[float, ...] = Field(description="share of drafts whose n-th token was accepted")
    speed: Speed
    outputs: Outputs


class Speculation(Model):
    """N-gram speculation against the same engine without it, greedy."""

    num_speculative_tokens: int
    prompt_lookup_min: int
    prompt_lookup_max: int
    prompts: str = Field(description="where the prompts are from, in words")
    output_len: int
    loads: dict[str, SpeculationLoad] = Field(description="repeating: prompts that repeat themselves; ordinary")


class KvCacheFigures(Model):
    """One KV cache dtype against the model's own."""

    plain_bytes_per_token: float | None = Field(description="KV cache bytes / tokens it holds, without")
    plain_bytes_per_token_why: str | None = None
    bytes_per_token: float | None = Field(description="the same with this dtype")
    bytes_per_token_why: str | None = None
    plain_tokens: int | None = Field(description="tokens that the KV cache holds, without")
    plain_tokens_why: str | None = None
    tokens: int | None
    tokens_why: str | None = None
    speed: Speed
    outputs: Outputs
    positions: int = Field(description="prompt positions whose full-vocabulary raw logits were compared")
    top1_agreement: float = Field(description="share of them with the same most likely token")
    rmse: float = Field(description="root mean square difference of the logits")
    max_abs_err: float = Field(description="largest difference of a logit")


class KvCache(Model):
    """What came of one `kv_cache_dtype`."""

    figures: KvCacheFigures | None
    figures_why: str | None = None


class Features(Model):
    """Every part that the set switched on; null with the engine's own reason where it refused."""

    mode: str
    depth: Depth | None
    depth_why: str | None = None
    prefix_cache: PrefixHits | None
    prefix_cache_why: str | None = None
    speculation: Speculation | None
    speculation_why: str | None = None
    kv_cache: dict[str, KvCache] = Field(default={}, description="by kv_cache_dtype")
