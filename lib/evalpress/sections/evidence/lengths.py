"""How long the outputs of the determinism checks are."""

from __future__ import annotations

import math

from evalpress.core.errors import MeasurementError
from evalpress.params.schema import Params


def output_tokens(params: Params, prompts: int, longest: int, runs: int = 1) -> int:
    """Output tokens per prompt and run, so that `runs` runs of all prompts give `evidence.check_tokens` in all.

    Args:
        prompts: how many prompts are asked.
        longest: tokens of the longest prompt; with them the output must fit into the context.

    Raises:
        MeasurementError: the longest prompt leaves no room.
    """
    wanted = math.ceil(params.evidence.check_tokens / (prompts * runs))
    room = params.engine.max_model_len - longest - 1
    if room < 1:
        raise MeasurementError(f"a prompt of {longest} tokens leaves no room in engine.max_model_len")
    return min(wanted, room)
