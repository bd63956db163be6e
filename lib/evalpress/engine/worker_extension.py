"""Sets the sampler's logprobs mode by name, for backends whose sampler ignores `logprobs_mode`.

vLLM-Ascend (read in 0.11.0 to 0.26.0rc1) makes its sampler without the engine's mode: full-vocabulary rows then come
back as log-probabilities although raw logits were asked for. vLLM joins the class named by `worker_extension_cls` to
its worker's class, and `collective_rpc` calls its methods by name in every worker process.
"""

from __future__ import annotations

from typing import Any

from evalpress.core.plain import Options

NAME = f"{__name__}.SamplerMode"
"""The value of vLLM's `worker_extension_cls`."""
BACKENDS = frozenset(("ascend",))
"""Platforms whose sampler ignores the mode; vLLM's own samplers take it."""


class SamplerMode:
    """Joined to the worker's class."""

    model_runner: Any

    def evalpress_set_logprobs_mode(self, mode: str) -> str | None:
        """Set the sampler's mode; returns the one that it had, None where the worker has no such sampler."""
        sampler = getattr(getattr(self, "model_runner", None), "sampler", None)
        before = getattr(sampler, "logprobs_mode", None)
        if before is None:
            return None
        sampler.logprobs_mode = mode  # type: ignore[union-attr]
        return str(before)


def keywords(backend: str, given: Options) -> Options:
    """The engine's keywords that join the class, where the backend needs it and the set names no class of its own."""
    return {"worker_extension_cls": NAME} if backend in BACKENDS and "worker_extension_cls" not in given else {}


def set_mode(llm: Any, given: Options) -> str | None:
    """Set the mode that the engine was asked for in every worker that has the class.

    Returns:
        What was changed, in words; None where nothing was.
    """
    mode = given.get("logprobs_mode")
    if given.get("worker_extension_cls") != NAME or mode is None:
        return None
    found = llm.collective_rpc("evalpress_set_logprobs_mode", args=(mode,))
    had = {before for before in found if before is not None and before != mode}
    return f"the sampler's mode was set to {mode} by name: it had {', '.join(sorted(had))}" if had else None
