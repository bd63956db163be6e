"""Outputs processed by transformers (one forward pass, teacher-forced), in a process that never imports vLLM.

vLLM decorates some classes of transformers in place; a model that transformers loads afterwards in the same process
fails or computes something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from evalpress import engine, model
from evalpress.core.floats import spacing
from evalpress.model.described import Described
from evalpress.model.isolated import Isolated
from evalpress.params.schema import Params

_PROBE = 64
"""Tokens on which the attention implementations are compared."""
NEAR_TIE_SPACINGS = 4
"""Logits nearer than this many spacings of the engine's dtype may change places by rounding alone."""
ROUTER_SPACINGS = 8
"""The same for a router's logits, whose errors come from hidden states larger than they are: of a tiny Mixtral, margins
in bfloat16 are off by up to 3 spacings, and vLLM took another expert at a margin of 4.3."""


@dataclass(frozen=True)
class Request:
    """What is read, by key: tokens, positions (p: the logits after tokens 0 to p), and whose whole rows are kept."""

    folder: Path
    dtype: str
    engine_dtype: str
    trust_remote_code: bool
    texts: Mapping[str, Sequence[int]]
    positions: Mapping[str, Sequence[int]]
    kept: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """Some positions of one text: the best token of each, the rank of the token that follows, and whole rows.

    A rank counts the tokens that are clearly better: by more than NEAR_TIE_SPACINGS of the engine's dtype. Where a
    router of a mixture of experts chose at such a near tie, another expert moves all logits by far more than rounding
    does, so a token there has no rank: it is 1. `ties`: the positions that have such a choice at or before them, on
    which every later token of the text depends.
    """

    key: str
    best: list[int]
    ranks: list[int]
    rows: dict[int, NDArray[np.float32]]
    ties: frozenset[int] = frozenset()


class Reader:
    """The process of these passes, for the length of a `with` block; it imports torch in the background."""

    def __init__(self, params: Params) -> None:
        self._params = params
        self._process = Isolated("evalpress.model.forward")

    def __enter__(self) -> Self:
        self._process.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def read(
        self,
        dtype: str,
        texts: Mapping[str, Sequence[int]],
        positions: Mapping[str, Sequence[int]],
        kept: Mapping[str, frozenset[int]],
    ) -> tuple[Described, list[Reading]]:
        """How the model ran, and the readings, text by text in order of position.

        Engines that this process keeps are released first where the model would not fit beside them.

        Raises:
            MeasurementError: transformers cannot run the model.
        """
        p = self._params
        engine.make_room(engine.reader_bytes(p, dtype))
        request = Request(model.resolve(p), dtype, p.engine.dtype, p.model.trust_remote_code, texts, positions, kept)
        described, *found = self._process.stream(f"{__name__}:passes", request)
        return described, found


def passes(request: Request) -> Iterator[Described | Reading]:
    """How the model runs, then its readings; runs in the other process."""
    from evalpress.model import forward  # torch takes seconds to import

    trust = request.trust_remote_code
    with forward.loaded(request.folder, request.dtype, trust_remote_code=trust) as run:
        probe = max(request.texts.values(), key=len)[:_PROBE]
        attention = forward.right_attentions(run, probe).names[0]
        yield {**run.described, "attention": attention}
        for key, part in forward.forward(run, request.texts, request.positions):
            text, values = request.texts[key], part.values
            at = part.positions.tolist()
            following = np.array([text[p + 1] for p in at])
            chosen = values[np.arange(len(at)), following] + near_ties(values.max(axis=1), request.engine_dtype)
            wanted = request.kept.get(key, frozenset())
            rows = {p: values[index].copy() for index, p in enumerate(at) if p in wanted}
            tied = _tied(part.routers, request.engine_dtype, at[-1] + 1)
            ranks = np.where(tied[at], 1, 1 + (values > chosen[:, None]).sum(axis=1)).tolist()
            ties = frozenset(p for p in at if tied[: p + 1].any())
            yield Reading(key, values.argmax(axis=1).tolist(), ranks, rows, ties)


def near_ties(best: NDArray[np.floating], dtype: str) -> NDArray[np.float64]:
    """By how much a logit may exceed a chosen one through rounding alone; `best`: the largest of each position."""
    return NEAR_TIE_SPACINGS * spacing(best, dtype)


def _tied(routers: NDArray[np.float32] | None, dtype: str, tokens: int) -> NDArray[np.bool_]:
    """Whether rounding alone may send a token to another expert in any layer: bool [tokens]."""
    if routers is None:
        return np.zeros(tokens, bool)
    margins, largest = routers[..., 0], routers[..., 1]
    return np.asarray(((margins >= 0) & (margins <= ROUTER_SPACINGS * spacing(largest, dtype))).any(axis=0), np.bool_)
