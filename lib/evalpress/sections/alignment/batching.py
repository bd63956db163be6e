"""How batching changes the logits: the same prompts alone, together, padded on either side, in another order.

Mathematically nothing changes; in floating point, kernels for another shape add up in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evalpress.core.plain import Options
from evalpress.model.forward import Pass
from evalpress.sections.alignment import metrics
from evalpress.sections.alignment.results import Arrangement

Array = NDArray[np.float32]
Side = Literal["right", "left"]


def effects(run: Pass, texts: Mapping[str, Sequence[int]]) -> list[Arrangement]:
    """For each arrangement, how far the logits at each text's last position are from those of the text alone."""
    names = list(texts)
    alone = np.concatenate([_last_logits(run, [texts[name]], "right") for name in names])
    backwards = names[::-1]
    arrangements = {
        "alone, again": np.concatenate([_last_logits(run, [texts[name]], "right") for name in names]),
        "one batch, padded on the right": _last_logits(run, [texts[name] for name in names], "right"),
        "one batch, padded on the left": _last_logits(run, [texts[name] for name in names], "left"),
        "one batch, in reverse order": _last_logits(run, [texts[name] for name in backwards], "right")[::-1],
    }
    found = []
    for arrangement, logits in arrangements.items():
        rows = metrics.compare_rows(
            alone, np.ascontiguousarray(logits), [len(texts[n]) - 1 for n in names], None, arrangement
        )
        found.append(
            Arrangement(
                arrangement=arrangement,
                identical=int((rows["max_abs_err"] == 0).sum()),
                of=len(rows),
                rmse=metrics.rmse(rows),
                max_abs_err=float(rows["max_abs_err"].max()),
                kl_divergence=float(rows["kl_divergence"].mean()),
                flips=int((~metrics.agrees(rows)).sum()),
            )
        )
    return found


@torch.inference_mode()
def _last_logits(run: Pass, texts: Sequence[Sequence[int]], side: Side) -> Array:
    """Float32 logits [texts, vocabulary] at the last position of each text of one batch."""
    longest = max(len(ids) for ids in texts)
    tokens = torch.zeros((len(texts), longest), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, ids in enumerate(texts):
        place = slice(longest - len(ids), longest) if side == "left" else slice(0, len(ids))
        tokens[row, place], mask[row, place] = torch.tensor(list(ids)), 1
    options: Options = {"use_cache": False}
    if not bool(mask.all()):
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        options |= {"attention_mask": mask.to(run.device), "position_ids": positions.to(run.device)}
    logits = run.model(tokens.to(run.device), **options).logits
    last = torch.tensor([longest - 1 if side == "left" else len(ids) - 1 for ids in texts], device=run.device)
    found: Array = logits[torch.arange(len(texts), device=run.device), last].float().cpu().numpy()
    return found
