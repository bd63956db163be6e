"""Blocks of requests as the benchmark records them, with invented times."""

from __future__ import annotations

from evalpress.sections.benchmark.observations import Block, Request


def request(ttft, e2el, tokens, scheduled=0.0, sha="x", prompt=10):
    first = scheduled + ttft
    return Request(
        prompt_tokens=prompt,
        output_tokens=tokens,
        ttft=ttft,
        e2el=e2el,
        scheduled_ts=scheduled,
        first_token_ts=first,
        last_token_ts=first + e2el - ttft,
        tokens_sha256=sha,
    )


def block(duration, *requests, itl=(0.01,), failed=0):
    return Block(duration=duration, failed=failed, requests=requests, itl=itl)
