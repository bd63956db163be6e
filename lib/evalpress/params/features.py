"""What deployments switch on beside an engine's plain settings: each part is measured where the set names it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from evalpress.params.engine import Block, Mode, PositiveInt


class DepthParams(Block):
    """Speed against the tokens of a request that are in the KV cache already; needs prefix caching."""

    points: Annotated[int, Field(ge=2)] = 5
    """Lengths of the cached context, evenly spaced from 0 to what fits, in whole blocks of the KV cache."""
    output_len: Annotated[int, Field(ge=2)] = 32
    """Tokens that are generated at each length; the time of a token is that between first and last."""
    chunk_len: PositiveInt = 128
    """Prompt tokens that follow the cached ones where prefill is timed."""
    repeats: PositiveInt = 6
    """Runs at each length, up and down in turn; six give an interval of the median."""


class PrefixCacheParams(Block):
    """Requests that share the beginning of their prompts, one after the other."""

    shared_lens: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 256, 400)
    """For each a group of prompts whose first so many tokens are the same."""
    own_len: Annotated[int, Field(ge=0)] = 40
    """Further tokens of each prompt, different in every one; 0: all prompts of a group are the same."""
    requests: Annotated[int, Field(ge=2)] = 4
    """Requests per group; the first finds nothing of its group in the cache."""


class SpeculationParams(Block):
    """N-gram speculation: continuations of earlier occurrences of the last tokens are guessed and then verified."""

    prompts: tuple[str, ...] = ()
    """Prompt files, continued as plain texts; without one, random tokens are the prompts."""
    requests: PositiveInt = 4
    """Prompts of each kind, one after the other: as they are, and repeated; each at most `repeated_len` tokens."""
    repeated_len: PositiveInt = 192
    output_len: Annotated[int, Field(ge=2)] = 64
    repeats: PositiveInt = 3
    """Runs of all prompts, without and with speculation in turn; three give an interval."""
    num_speculative_tokens: PositiveInt = 4
    """vLLM's `speculative_config`: tokens guessed per step."""
    prompt_lookup_min: PositiveInt = 2
    """vLLM's `speculative_config`: shortest n-gram that is looked up."""
    prompt_lookup_max: PositiveInt = 4
    """vLLM's `speculative_config`: longest n-gram that is looked up."""

    @model_validator(mode="after")
    def _ordered(self) -> SpeculationParams:
        if self.prompt_lookup_min > self.prompt_lookup_max:
            raise ValueError(
                f"prompt_lookup_min: found {self.prompt_lookup_min}, allowed up to prompt_lookup_max, which is "
                f"{self.prompt_lookup_max}"
            )
        return self


class KvCacheParams(Block):
    """A KV cache in other dtypes than the model's."""

    dtypes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] = ("fp8",)
    """vLLM's `kv_cache_dtype`, each in an engine of its own."""
    requests: PositiveInt = 4
    """Prompts of random tokens, all at once."""
    input_len: Annotated[int, Field(ge=2)] = 256
    output_len: Annotated[int, Field(ge=2)] = 32
    repeats: PositiveInt = 3
    """Runs, with the model's dtype and with the other in turn; three give an interval."""
    positions: PositiveInt = 8
    """Last positions of each prompt whose logits are compared."""


class FeatureParams(Block):
    """Depth, prefix caching, speculation, KV cache dtypes; null leaves a part out."""

    mode: Mode | None = None
    """The mode in which all parts are measured; None: the last of `engine.modes`."""
    depth: DepthParams | None = None
    prefix_cache: PrefixCacheParams | None = None
    speculation: SpeculationParams | None = None
    kv_cache: KvCacheParams | None = None

    @property
    def wanted(self) -> bool:
        """Whether any part is measured."""
        return any((self.depth, self.prefix_cache, self.speculation, self.kv_cache))

    def longest(self) -> dict[str, int]:
        """Tokens of the longest request of each part whose lengths the set gives, by key."""
        found = {}
        if self.prefix_cache:
            found["prefix_cache: max(shared_lens) + own_len + 1"] = (
                max(self.prefix_cache.shared_lens) + self.prefix_cache.own_len + 1
            )
        if self.speculation:
            found["speculation: repeated_len + output_len"] = (
                self.speculation.repeated_len + self.speculation.output_len
            )
        if self.kv_cache:
            found["kv_cache: input_len + output_len"] = self.kv_cache.input_len + self.kv_cache.output_len
        if self.depth:
            found["depth: max(chunk_len, output_len) + 1"] = max(self.depth.chunk_len, self.depth.output_len) + 1
        return found

    def tokens(self) -> int:
        """About how many tokens all parts process: prompts and outputs of every run, warm-up runs among them."""
        count = 0
        if self.depth:
            one = self.depth.output_len + self.depth.chunk_len
            count += (self.depth.repeats + 1) * self.depth.points * one
        if self.prefix_cache:
            count += self.prefix_cache.requests * sum(
                n + self.prefix_cache.own_len for n in self.prefix_cache.shared_lens
            )
        if self.speculation:
            one = self.speculation.repeated_len + self.speculation.output_len
            count += 2 * (self.speculation.repeats + 1) * 2 * self.speculation.requests * one
        if self.kv_cache:
            one = self.kv_cache.requests * (self.kv_cache.input_len + self.kv_cache.output_len)
            count += 2 * (self.kv_cache.repeats + 1) * len(self.kv_cache.dtypes) * one
        return count
