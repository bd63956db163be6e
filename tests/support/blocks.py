"""Blocks of requests as the benchmark records them, with invented times."""

from __future__ import annotations


def request(ttft, e2el, tokens, scheduled=0.0, sha="x"):
    first = scheduled + ttft
    return {
        "prompt_tokens": 10,
        "output_tokens": tokens,
        "ttft": ttft,
        "e2el": e2el,
        "scheduled_ts": scheduled,
        "first_token_ts": first,
        "last_token_ts": first + e2el - ttft,
        "tokens_sha256": sha,
    }


def block(duration, *requests, itl=(0.01,)):
    return {"duration": duration, "failed": 0, "requests": list(requests), "itl": list(itl)}
