"""One block of requests on one engine, as observed."""

from __future__ import annotations

import hashlib
import time

from evalpress.engine import Completion, Engine, Sampling
from evalpress.params.schema import Params, Workload
from evalpress.sections.benchmark import random_prompts
from evalpress.sections.benchmark.observations import Block, Request

WARM_UP_TOKENS = 16
"""Output tokens per request of a warm-up block: later steps of a decode run the same code."""


def prompts(params: Params, load: Workload, name: str, block: int, loaded: Engine) -> list[list[int]]:
    """Prompts of one block in this engine's vocabulary, without its special tokens."""
    size, reserved = vocabulary(loaded)
    return random_prompts.prompts(load, size, params.engine.seed, name, block, reserved)


def vocabulary(loaded: Engine) -> tuple[int, frozenset[int]]:
    """How many ids there are, and those of special tokens, which no prompt holds."""
    has_tokenizer = not loaded.arguments.get("skip_tokenizer_init")
    reserved = frozenset(loaded.llm.get_tokenizer().all_special_ids) if has_tokenizer else frozenset()
    return int(loaded.llm.llm_engine.model_config.get_vocab_size()), reserved


def run_block(
    loaded: Engine,
    load: Workload,
    prompts: list[list[int]],
    sampling: Sampling | None = None,
    number: int | None = None,
) -> Block:
    """One block: all requests at once, or one after the other; greedy unless `sampling` says otherwise.

    Args:
        number: the block's number in its series.
    """
    sampling = sampling or Sampling(max_tokens=load.output_len, ignore_eos=True)
    groups = [prompts] if load.concurrent else [[prompt] for prompt in prompts]
    completions: list[Completion] = []
    gaps: list[float] = []
    began, start = time.monotonic(), time.perf_counter()
    for group in groups:
        completions += loaded.generate(group, sampling)
        gaps += loaded.inter_token_latencies
    duration = time.perf_counter() - start
    return Block(
        block=number,
        began=began,
        duration=duration,
        failed=sum(len(c.token_ids) != sampling.max_tokens for c in completions),
        requests=tuple(_request(c) for c in completions),
        itl=tuple(gaps),
    )


def warm_up(loaded: Engine, load: Workload, prompts: list[list[int]]) -> Block:
    """A warm-up block, never counted: the block's requests, with only the first few of their output tokens."""
    return run_block(loaded, load, prompts, Sampling(max_tokens=min(load.output_len, WARM_UP_TOKENS), ignore_eos=True))


def _request(completion: Completion) -> Request:
    t = completion.timing
    return Request(
        prompt_tokens=len(completion.prompt_token_ids),
        output_tokens=len(completion.token_ids),
        ttft=t.ttft,
        e2el=t.e2el,
        scheduled_ts=t.scheduled_ts,
        first_token_ts=t.first_token_ts,
        last_token_ts=t.last_token_ts,
        tokens_sha256=hashlib.sha256(repr(completion.token_ids).encode()).hexdigest(),
    )
