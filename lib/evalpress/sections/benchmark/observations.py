"""Raw observations of requests, from which all figures are computed: the content of `results/raw`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalpress.core.plain import Json
from evalpress.core.results import Model


class Request(Model):
    """One request. Durations in seconds; `*_ts` on the engine core's monotonic clock, in seconds."""

    prompt_tokens: int
    output_tokens: int
    ttft: float
    e2el: float
    scheduled_ts: float
    first_token_ts: float
    last_token_ts: float
    tokens_sha256: str
    """Digest of the generated token ids."""


class Block(Model):
    """The requests of one block. `duration` by this process's clock, in seconds."""

    block: int | None = None
    began: float | None = None
    """On the monotonic clock of the process that measured."""
    duration: float
    failed: int
    """Requests that did not generate as many tokens as were asked for."""
    requests: tuple[Request, ...]
    itl: tuple[float, ...]
    """Seconds between consecutive tokens, of all requests."""


Blocks = dict[str, dict[str, list[Block]]]
"""workload (or scaling point) -> mode -> measured blocks."""


def plain(blocks: Mapping[str, Mapping[str, Sequence[Block]]]) -> Json:
    """The blocks as JSON values."""
    return {
        name: {mode: [block.model_dump(mode="json") for block in found] for mode, found in by_mode.items()}
        for name, by_mode in blocks.items()
    }


def typed(raw: Mapping[str, Mapping[str, Sequence[Any]]]) -> Blocks:
    """The blocks that `plain` wrote.

    Raises:
        pydantic.ValidationError: the file is not of this form.
    """
    return {
        name: {mode: [Block.model_validate(block) for block in found] for mode, found in by_mode.items()}
        for name, by_mode in raw.items()
    }
