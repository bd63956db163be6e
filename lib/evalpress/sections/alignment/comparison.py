"""Noise floor and candidates compared with the reference: the section's data from logits.

The reference is what everything is compared with; the noise floor is the same model in the candidate's dtype on
the reference device; candidates are what is judged. Noise floor and candidates arrive as streams of parts and may
cover fewer positions than the reference: each is compared on the positions that both have, and the data say how
many those are. The noise of a candidate is that of the noise floor at the candidate's positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from evalpress.core.errors import MeasurementError
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import metrics
from evalpress.sections.alignment.baseline import NOISE_FLOOR, Baseline, Text, TokenText
from evalpress.sections.alignment.metrics import Rows
from evalpress.sections.alignment.results import LastToken, Run, Source, TextRow

Parts = Iterable[tuple[str, TextLogits]]
Raw: TypeAlias = dict[str, dict[str, dict[str, list[Any]]]]


@dataclass(frozen=True)
class Outcome:
    """Parts of the section's results, and `raw` with the record of every position: run -> text -> column -> values."""

    texts: list[TextRow]
    noise_floor: Run
    candidates: dict[str, Run]
    last_tokens: dict[str, list[LastToken]]
    raw: Raw


def compare(
    reference: Mapping[str, TextLogits],
    noise_floor: Parts,
    candidates: Mapping[str, Parts],
    texts: Sequence[Text],
    token_text: TokenText,
    described: Mapping[str, Source],
    *,
    dtype: str = "bfloat16",
    routed: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Compare noise floor and candidates with the reference.

    Args:
        reference: text id -> logits, float32; may be memory-mapped.
        noise_floor: parts of the same model in the candidate's dtype, at all the reference's positions.
        candidates: name -> parts, at any of the reference's positions.
        texts: what the ids represent.
        token_text: a token id as text, for people.
        described: run ("noise_floor" or a candidate's name) -> what it is.
        dtype: the candidates' dtype.
        routed: whether the model is a mixture of experts; asked when all parts have been read.

    Raises:
        MeasurementError: a logit that is not finite, a run without a common position, a reference that was not
            computed in float32, or a noise floor that lacks a position.
    """
    _check_reference(reference)
    by_id = {text.id: text for text in texts}
    noise = compared(NOISE_FLOOR, reference, noise_floor, by_id)
    runs = {name: compared(name, reference, parts, by_id) for name, parts in candidates.items()}
    baseline = Baseline(reference, noise, texts, token_text, dtype, routed())
    return Outcome(
        texts=[_text_row(text, reference) for text in texts],
        noise_floor=baseline.summary(noise, described[NOISE_FLOOR]),
        candidates={name: baseline.summary(rows, described[name]) for name, rows in runs.items()},
        last_tokens=_last_tokens({NOISE_FLOOR: noise, **runs}, texts, token_text),
        raw={name: columns(rows) for name, rows in (runs | {NOISE_FLOOR: noise}).items()},
    )


def columns(rows: Mapping[str, Rows]) -> dict[str, dict[str, list[Any]]]:
    """A run's records, text by text, as JSON columns."""
    return {text: metrics.to_columns(of_text) for text, of_text in rows.items()}


def _check_reference(reference: Mapping[str, TextLogits]) -> None:
    """A float32 model's logits are not all bfloat16 numbers; those of a reference computed in bfloat16 are."""
    for part in reference.values():
        if part.values.dtype != np.float32:
            raise MeasurementError(f"reference: found {part.values.dtype} logits, allowed float32")
        first = np.ascontiguousarray(part.values[:1]).view(np.uint32)
        if first.any() and not (first & 0xFFFF).any():
            raise MeasurementError(
                "reference: every logit is a bfloat16 number, so the model did not run in float32: "
                "compute the reference again with dtype float32"
            )


def compared(
    name: str,
    reference: Mapping[str, TextLogits],
    parts: Parts,
    texts: Mapping[str, Text],
    *,
    generated: bool = False,
) -> dict[str, Rows]:
    """One record per position that the run and the reference have in common, text by text.

    Args:
        generated: the texts' next tokens are those that the candidate generated: they are what it chose.
    Raises:
        MeasurementError: another size of vocabulary than the reference's, a logit that is not finite, or no common
            position.
    """
    found: dict[str, list[Rows]] = {}
    for text_id, part in parts:
        whole, ids = reference[text_id], texts[text_id].token_ids
        if part.values.shape[1] != whole.values.shape[1]:
            sizes = f"found {part.values.shape[1]} logits per position, the reference has {whole.values.shape[1]}"
            raise MeasurementError(f"{name}: {text_id}: {sizes}")
        common, here, there = np.intersect1d(part.positions, whole.positions, return_indices=True)
        if len(common) == 0:
            continue
        targets = [ids[at + 1] if at + 1 < len(ids) else -1 for at in common.tolist()]
        rows = metrics.compare_rows(
            whole.values[there],
            np.asarray(part.values)[here],
            common,
            targets,
            f"{name}: {text_id}",
            targets if generated else None,
        )
        found.setdefault(text_id, []).append(rows)
    if not found:
        raise MeasurementError(f"{name}: found no position that the reference has too, allowed at least one")
    return {text_id: np.sort(np.concatenate(rows), order="position") for text_id, rows in found.items()}


def _last_tokens(
    runs: Mapping[str, Mapping[str, Rows]], texts: Sequence[Text], token_text: TokenText
) -> dict[str, list[LastToken]]:
    """Each run's arg max at the last position of each prompt: what greedy decoding must begin with."""
    found: dict[str, list[LastToken]] = {"reference": []}
    for run, rows in runs.items():
        found[run] = []
        for text in texts:
            if text.kind != "prompt" or text.id not in rows or not text.ends(rows[text.id]):
                continue
            sides = rows[text.id]["top_ids"][-1, :, 0].tolist()
            found[run].append(LastToken(prompt_id=text.id, token=sides[1], text=token_text(sides[1])))
            if run == NOISE_FLOOR:
                found["reference"].append(LastToken(prompt_id=text.id, token=sides[0], text=token_text(sides[0])))
    return found


def _text_row(text: Text, reference: Mapping[str, TextLogits]) -> TextRow:
    return TextRow(
        id=text.id,
        kind=text.kind,
        language=text.language,
        text=text.text,
        tokens=len(text.token_ids),
        positions=len(reference[text.id].positions),
    )
