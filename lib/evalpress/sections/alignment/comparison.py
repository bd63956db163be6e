"""The alignment section's data from logits: three kinds of legs compared, pooled and explained.

The reference is what everything is held against; the noise floor is the same model in the candidate's dtype on
the reference device; candidates are what is judged. Noise floor and candidates arrive as streams of parts and may
cover fewer positions than the reference: each is compared on the positions that both have, and the data say how
many those are. The noise of a candidate is that of the noise floor at the candidate's positions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalpress.core.errors import MeasurementError
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import metrics, profiles
from evalpress.sections.alignment.metrics import Rows

Parts = Iterable[tuple[str, TextLogits]]
TokenText = Callable[[int], str]
NOISE_FLOOR = "noise_floor"


@dataclass(frozen=True)
class Text:
    """A text whose logits are compared. Of kind `prompt` the last position matters, of kind `text` all do."""

    id: str
    text: str
    kind: str
    language: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """`data` for the results file, `raw` with the record of every position: leg -> text -> column -> values."""

    data: dict[str, Any]
    raw: dict[str, dict[str, dict[str, list[Any]]]]


def compare(
    reference: Mapping[str, TextLogits],
    noise_floor: Parts,
    candidates: Mapping[str, Parts],
    texts: Sequence[Text],
    token_text: TokenText,
    described: Mapping[str, Mapping[str, Any]],
) -> Outcome:
    """Hold noise floor and candidates against the reference.

    Args:
        reference: text id -> logits, float32; may be memory-mapped.
        noise_floor: parts of the same model in the candidate's dtype, at all the reference's positions.
        candidates: name -> parts, at any of the reference's positions.
        texts: what the ids stand for.
        token_text: a token id as text, for people.
        described: leg ("reference", "noise_floor" or a candidate's name) -> what it is, copied into the data.

    Raises:
        MeasurementError: a logit that is not finite, a leg without a common position, a reference that is not
            float32 at heart, or a noise floor that lacks a position.
    """
    _check_reference(reference)
    by_id = {text.id: text for text in texts}
    noise = compared(NOISE_FLOOR, reference, noise_floor, by_id)
    legs = {name: compared(name, reference, parts, by_id) for name, parts in candidates.items()}
    data = {
        "reference": dict(described.get("reference", {}))
        | {"n_positions": sum(len(t.positions) for t in reference.values())},
        "texts": [_text_row(text, reference) for text in texts],
        NOISE_FLOOR: _leg(noise, noise, reference, texts, token_text, described.get(NOISE_FLOOR, {})),
        "candidates": {
            name: _leg(rows, noise, reference, texts, token_text, described.get(name, {}))
            for name, rows in legs.items()
        },
        "last_tokens": _last_tokens({NOISE_FLOOR: noise, **legs}, texts, token_text),
    }
    raw = {
        leg: {text: metrics.to_columns(r) for text, r in rows.items()}
        for leg, rows in (legs | {NOISE_FLOOR: noise}).items()
    }
    return Outcome(data, raw)


def _check_reference(reference: Mapping[str, TextLogits]) -> None:
    """A float32 model's logits are not all bfloat16 numbers; a mistaken reference's are."""
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
    name: str, reference: Mapping[str, TextLogits], parts: Parts, texts: Mapping[str, Text]
) -> dict[str, Rows]:
    """One record per position that the leg and the reference have in common, text by text."""
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
            whole.values[there], np.asarray(part.values)[here], common, targets, f"{name}: {text_id}"
        )
        found.setdefault(text_id, []).append(rows)
    if not found:
        raise MeasurementError(f"{name}: found no position that the reference has too, allowed at least one")
    return {text_id: np.sort(np.concatenate(rows), order="position") for text_id, rows in found.items()}


def _at_positions_of(rows: Rows, noise: Mapping[str, Rows], text_id: str) -> Rows:
    """The noise floor's records at the positions of `rows`."""
    floor = noise.get(text_id)
    if floor is None or not np.isin(rows["position"], floor["position"]).all():
        raise MeasurementError(f"{NOISE_FLOOR}: {text_id}: found fewer positions than a candidate has")
    at: Rows = floor[np.searchsorted(floor["position"], rows["position"])]
    return at


def _leg(
    rows: Mapping[str, Rows],
    noise: Mapping[str, Rows],
    reference: Mapping[str, TextLogits],
    texts: Sequence[Text],
    token_text: TokenText,
    described: Mapping[str, Any],
) -> dict[str, Any]:
    """All metrics of one leg: over every compared position, over the prompts' last ones, and per text."""
    covered = [text for text in texts if text.id in rows]
    floors = {text.id: _at_positions_of(rows[text.id], noise, text.id) for text in covered}
    every = np.concatenate([rows[text.id] for text in covered])
    floor = np.concatenate([floors[text.id] for text in covered])
    flips = [flip for text in covered for flip in _flips(text, rows[text.id], floors[text.id], token_text)]
    total = sum(len(part.positions) for part in reference.values())
    last = [rows[t.id][-1:] for t in covered if t.kind == "prompt" and _has_last(rows[t.id], t)]
    return {
        **described,
        **metrics.pooled(every),
        **metrics.noise_ratio(every, floor),
        "flips": {**_count(flips), "list": flips},
        "positions": {"compared": len(every), "of_reference": total, "sampled": len(every) < total},
        "last_positions": metrics.pooled(np.concatenate(last)) if last else None,
        **({} if last else {"last_positions_why": "no prompt's last position was compared"}),
        "by_position": profiles.by_position(every, floor),
        "by_margin": profiles.by_margin(every),
        "prompts": [_prompt(text, rows[text.id], floors[text.id], token_text) for text in covered],
    }


def _prompt(text: Text, rows: Rows, floor: Rows, token_text: TokenText) -> dict[str, Any]:
    """One text's metrics, and both sides' five best tokens at its last compared position."""
    last = rows[-1:]
    return {
        "id": text.id,
        "kind": text.kind,
        **metrics.pooled(rows),
        **metrics.noise_ratio(rows, floor),
        "flips": _count(_flips(text, rows, floor, token_text)),
        "last_position": {
            "position": int(last["position"][0]),
            **metrics.pooled(last),
            "margin": float(last["margin"][0]),
        },
        "top5_reference": _tops(last, 0, token_text),
        "top5_candidate": _tops(last, 1, token_text),
    }


def _tops(last: Rows, side: int, token_text: TokenText) -> list[dict[str, Any]]:
    pairs = zip(last["top_ids"][0, side].tolist(), last["top_logits"][0, side].tolist(), strict=True)
    return [{"id": token, "text": token_text(token), "logit": logit} for token, logit in pairs]


def _flips(text: Text, rows: Rows, floor: Rows, token_text: TokenText) -> list[dict[str, Any]]:
    return [
        {
            "prompt_id": text.id,
            "position": flip.position,
            "reference": {"id": flip.reference_id, "text": token_text(flip.reference_id)},
            "candidate": {"id": flip.candidate_id, "text": token_text(flip.candidate_id)},
            "margin": flip.margin,
            "noise_max_abs_err": flip.noise_max_abs_err,
            "verdict": flip.verdict,
            "sentence": sentence(text.id, flip, token_text),
        }
        for flip in metrics.flips(rows, floor)
    ]


def sentence(text_id: str, flip: metrics.Flip, token_text: TokenText) -> str:
    """A flip in words, from its numbers alone. Token texts stand in it as JSON strings."""
    best, other = (json.dumps(token_text(i), ensure_ascii=False) for i in (flip.reference_id, flip.candidate_id))
    said = (
        f"At position {flip.position} of {text_id} the reference prefers {best} (id {flip.reference_id}) by "
        f"{flip.margin:.3g} over its next best token, the candidate prefers {other} (id {flip.candidate_id}); "
        f"the dtype alone moves logits there by up to {flip.noise_max_abs_err:.3g}, "
    )
    limit = f"{2 * flip.noise_max_abs_err:.3g}"
    if flip.verdict == "within_noise":
        return said + f"so a margin of up to {limit} decides nothing: within the noise."
    return said + f"which explains margins of up to {limit} only: unexplained."


def _count(flips: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    within = sum(flip["verdict"] == "within_noise" for flip in flips)
    return {"total": len(flips), "within_noise": within, "unexplained": len(flips) - within}


def _has_last(rows: Rows, text: Text) -> bool:
    return bool(rows["position"][-1] == len(text.token_ids) - 1)


def _last_tokens(
    legs: Mapping[str, Mapping[str, Rows]], texts: Sequence[Text], token_text: TokenText
) -> dict[str, list[dict[str, Any]]]:
    """Each leg's arg max at the last position of each prompt: what greedy decoding must begin with."""
    found: dict[str, list[dict[str, Any]]] = {"reference": []}
    for leg, rows in legs.items():
        found[leg] = []
        for text in texts:
            if text.kind != "prompt" or text.id not in rows or not _has_last(rows[text.id], text):
                continue
            sides = rows[text.id]["top_ids"][-1, :, 0].tolist()
            found[leg].append({"prompt_id": text.id, "token": sides[1], "text": token_text(sides[1])})
            if leg == NOISE_FLOOR:
                found["reference"].append({"prompt_id": text.id, "token": sides[0], "text": token_text(sides[0])})
    return found


def _text_row(text: Text, reference: Mapping[str, TextLogits]) -> dict[str, Any]:
    return {
        "id": text.id,
        "kind": text.kind,
        "language": text.language,
        "text": text.text,
        "tokens": len(text.token_ids),
        "positions": len(reference[text.id].positions),
    }
