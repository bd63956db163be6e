"""Raw observations of the parts: the content of `results/raw/benchmark-features.json`."""

from __future__ import annotations

from evalpress.core.results import Model
from evalpress.sections.benchmark.features.results import Outputs


class DepthRun(Model):
    """One run at one length of the cached context. Durations in seconds."""

    repeat: int
    cached_tokens: int
    decode_s_per_token: float
    prefill_s: float


class DepthRuns(Model):
    """All runs, and what they were made with."""

    rule: str
    block_size: int
    runs: tuple[DepthRun, ...]


class PrefixRequest(Model):
    """One request of a group with a common beginning."""

    group: int
    prompt_tokens: int
    expected_hits: int
    cached_tokens: int
    ttft: float
    """Seconds."""


class PrefixRequests(Model):
    """All requests, in their order, and what the engine counted for them."""

    block_size: int
    requests: tuple[PrefixRequest, ...]
    counted_queries: int
    counted_hits: int


class Run(Model):
    """All prompts of one load on one engine. `duration` in seconds; output token ids by prompt."""

    duration: float
    outputs: tuple[tuple[int, ...], ...]


class Drafted(Model):
    """What the engine counted over the measured runs of a load."""

    drafts: int
    draft_tokens: int
    accepted_tokens: int
    accepted_per_position: tuple[int, ...]


class Paired(Model):
    """The same prompts without (`plain`) and with a feature (`other`), run by run."""

    plain: tuple[Run, ...]
    other: tuple[Run, ...]
    drafted: Drafted
    outputs: Outputs


class SpeculationRuns(Model):
    """Speculation on each kind of prompts."""

    prompts: str
    loads: dict[str, Paired]


class LogitGap(Model):
    """Full-vocabulary raw logits of one prompt position, with the other KV cache dtype less without."""

    rmse: float
    max_abs_err: float
    token: int
    other_token: int
    """The most likely next token, without and with it."""


class Held(Model):
    """What one engine's KV cache holds; None where vLLM does not say."""

    tokens: int | None = None
    bytes_per_token: float | None = None


class KvCacheRuns(Model):
    """One KV cache dtype against the model's own."""

    runs: Paired
    plain: Held
    other: Held
    positions: tuple[LogitGap, ...]
