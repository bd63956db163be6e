"""Prompts of the load: random token ids, new for every point and repeat, the same for all servers."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalpress import model
from evalpress.core.errors import MeasurementError
from evalpress.model import config
from evalpress.params.schema import Params


@dataclass(frozen=True)
class Prompts:
    """Draws prompts of `input_len` token ids out of the allowed ones."""

    allowed: NDArray[np.int64]
    input_len: int
    seed: int

    @classmethod
    def of(cls, params: Params) -> Prompts:
        """Ids of the model's vocabulary without its special tokens, where a tokenizer.json names them.

        Raises:
            MeasurementError: the size of the vocabulary is not known.
        """
        folder = model.resolve(params)
        size = config.read(folder, params.model.trust_remote_code).whole("vocab_size")
        if size is None:
            raise MeasurementError("config.json states no vocab_size: no prompts can be drawn")
        vocabulary = np.arange(size)
        try:
            added = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
            special = [int(token["id"]) for token in added if token.get("special")]
        except (OSError, ValueError, LookupError, TypeError):
            special = []
        return cls(
            np.setdiff1d(vocabulary, np.array(special, dtype=np.int64)), params.serving.input_len, params.engine.seed
        )

    def draw(self, count: int, name: str, repeat: int) -> list[list[int]]:
        """`count` prompts; the same name and repeat give the same prompts again."""
        rng = np.random.default_rng([self.seed, repeat, *name.encode()])
        return [[int(token) for token in row] for row in rng.choice(self.allowed, size=(count, self.input_len))]
