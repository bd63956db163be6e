"""Requests of a workload: random token ids, new for every block, the same for both modes of a pair."""

from __future__ import annotations

import numpy as np

from evalpress.params.schema import Workload


def prompts(
    load: Workload, vocab_size: int, seed: int, name: str, block: int, reserved: frozenset[int]
) -> list[list[int]]:
    """`num_prompts` prompts of `input_len` token ids, unique per request and per block.

    Args:
        vocab_size: ids are drawn below it.
        seed: the set's seed; `name` and `block` complete it, so a block can be drawn again.
        reserved: ids never drawn (special tokens).
    """
    allowed = np.setdiff1d(np.arange(vocab_size), np.fromiter(reserved, dtype=np.int64, count=len(reserved)))
    rng = np.random.default_rng([seed, block, *name.encode()])
    return [[int(token) for token in row] for row in rng.choice(allowed, size=(load.num_prompts, load.input_len))]
