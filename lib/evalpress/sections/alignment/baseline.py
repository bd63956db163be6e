"""Reference and noise floor, and the figures of one comparison run against them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalpress.core.errors import MeasurementError
from evalpress.model.forward import TextLogits
from evalpress.sections.alignment import agreement_results, metrics, noise, outliers, profiles, routing
from evalpress.sections.alignment.agreement_results import (
    FlipCount,
    Flips,
    LastPosition,
    Outliers,
    Positions,
    RankedToken,
    TextAgreement,
    Token,
)
from evalpress.sections.alignment.metrics import Rows
from evalpress.sections.alignment.noise import Flip
from evalpress.sections.alignment.results import Run, Source
from evalpress.sections.alignment.tails import tails

TokenText = Callable[[int], str]
NOISE_FLOOR = "noise_floor"
_TYPICAL = 90
"""Percentile of the noise floor's largest errors that every position may reach."""


@dataclass(frozen=True)
class Text:
    """A text whose logits are compared. Of kind `prompt` the last position matters, of kind `text` all do."""

    id: str
    text: str
    kind: str
    language: str
    token_ids: tuple[int, ...]

    def ends(self, rows: Rows) -> bool:
        """Whether the records hold the text's last position."""
        return bool(rows["position"][-1] == len(self.token_ids) - 1)


@dataclass(frozen=True)
class Baseline:
    """What every comparison run is compared with, on the same texts."""

    reference: Mapping[str, TextLogits]
    noise: Mapping[str, Rows]
    """Text id -> the noise floor's records."""
    texts: Sequence[Text]
    token_text: TokenText
    dtype: str
    """The dtype of candidates and noise floor."""
    routed: bool = False
    """Whether the model is a mixture of experts, whose router may flip at a near tie."""

    def summary(self, rows: Mapping[str, Rows], source: Source) -> Run:
        """All metrics of one run: over every compared position, over the prompts' last ones, and per text."""
        covered = [text for text in self.texts if text.id in rows]
        every = np.concatenate([rows[text.id] for text in covered])
        floor = np.concatenate([self._floor(text, rows[text.id]) for text in covered])
        shifted = metrics.are_log_probabilities(every)
        flips = [row for text in covered for row in self._flip_rows(text, rows[text.id])]
        total = sum(len(part.positions) for part in self.reference.values())
        last = [rows[t.id][-1:] for t in covered if t.kind == "prompt" and t.ends(rows[t.id])]
        return Run(
            **dict(source),
            **dict(metrics.pooled(every, shifted=shifted)),
            **dict(noise.noise_ratio(every, floor, shifted=shifted)),
            scale="log_probabilities" if shifted else "logits",
            tails=tails(every),
            outliers=self._outliers(covered, rows, every, floor),
            settled=routing.settled(every, floor, self._every(), self.dtype, shifted=shifted) if self.routed else None,
            flips=Flips(**dict(_count(flips)), list=tuple(flips)),
            positions=Positions(compared=len(every), of_reference=total, sampled=len(every) < total),
            last_positions=metrics.pooled(np.concatenate(last), shifted=shifted) if last else None,
            last_positions_why=None if last else "no prompt's last position was compared",
            by_position=tuple(profiles.by_position(every, floor, shifted=shifted)),
            by_margin=tuple(profiles.by_margin(every)),
            prompts=tuple(self._text(text, rows[text.id], shifted=shifted) for text in covered),
        )

    def _floor(self, text: Text, rows: Rows) -> Rows:
        """The noise floor's records at the positions of `rows`."""
        floor = self.noise.get(text.id)
        if floor is None or not np.isin(rows["position"], floor["position"]).all():
            raise MeasurementError(f"{NOISE_FLOOR}: {text.id}: found fewer positions than a candidate has")
        at: Rows = floor[np.searchsorted(floor["position"], rows["position"])]
        return at

    def _every(self) -> Rows:
        found: Rows = np.concatenate(list(self.noise.values()))
        return found

    def _outliers(self, covered: Sequence[Text], rows: Mapping[str, Rows], run: Rows, floor: Rows) -> Outliers:
        """Positions that stand out; `run` and `floor` are the records of all texts, of this run and of the noise."""
        every, dtype = self._every(), self.dtype
        ratios = {
            t.id: (rows[t.id], outliers.ratios(rows[t.id], self._floor(t, rows[t.id]), every, dtype)) for t in covered
        }
        return outliers.summary(ratios, routing.only_in_floor(run, floor, every, dtype) if self.routed else None)

    def _text(self, text: Text, rows: Rows, *, shifted: bool) -> TextAgreement:
        """One text's metrics, and both sides' five best tokens at its last compared position."""
        last = rows[-1:]
        agreement = metrics.pooled(last, shifted=shifted)
        return TextAgreement(
            id=text.id,
            kind=text.kind,
            **dict(metrics.pooled(rows, shifted=shifted)),
            **dict(noise.noise_ratio(rows, self._floor(text, rows), shifted=shifted)),
            flips=_count(self._flip_rows(text, rows)),
            last_position=LastPosition(
                **dict(agreement), position=int(last["position"][0]), margin=float(last["margin"][0])
            ),
            top5_reference=self._tops(last, 0),
            top5_candidate=self._tops(last, 1),
        )

    def _tops(self, last: Rows, side: int) -> tuple[RankedToken, ...]:
        pairs = zip(last["top_ids"][0, side].tolist(), last["top_logits"][0, side].tolist(), strict=True)
        return tuple(RankedToken(id=token, text=self.token_text(token), logit=logit) for token, logit in pairs)

    def token(self, token: int) -> Token:
        """A token and its text."""
        return Token(id=token, text=self.token_text(token))

    def errors(self, text: Text, rows: Rows) -> NDArray[np.float64]:
        """The error that correct arithmetic may make in a logit at each of the records' positions, float64 [positions].

        The noise floor's error at one position is one draw: it counts as at least the 90th percentile over all
        positions (with the median, 1 of 320 runs of correct implementations had an unexplained flip), or, with experts,
        as ROUTED_FACTOR times the median, the limit beyond which a position stands out.
        """
        known = np.concatenate([of_text["max_abs_err"] for of_text in self.noise.values()])
        least = outliers.ROUTED_FACTOR * np.median(known) if self.routed else np.percentile(known, _TYPICAL)
        return noise.rounding_errors(self._floor(text, rows), self.dtype, float(least))

    def _flip_rows(self, text: Text, rows: Rows) -> list[agreement_results.Flip]:
        floor = self._floor(text, rows)
        elsewhere = routing.stands_out(rows, self._every(), self.dtype) if self.routed else np.zeros(len(rows), bool)
        return [
            agreement_results.Flip(
                prompt_id=text.id,
                position=flip.position,
                reference=self.token(flip.reference_id),
                candidate=self.token(flip.candidate_id),
                margin=flip.margin,
                gap=flip.gap,
                noise_max_abs_err=flip.noise_max_abs_err,
                verdict=flip.verdict,
                sentence=sentence(text.id, flip, self.token_text),
            )
            for flip in noise.flips(rows, floor, self.errors(text, rows), elsewhere)
        ]


def sentence(text_id: str, flip: Flip, token_text: TokenText) -> str:
    """A flip in words, from its numbers alone. Token texts are in it as JSON strings."""
    best, other = (json.dumps(token_text(i), ensure_ascii=False) for i in (flip.reference_id, flip.candidate_id))
    said = (
        f"At position {flip.position} of {text_id} the reference prefers {best} (id {flip.reference_id}) by "
        f"{flip.margin:.3g} over its next best token, the candidate chose {other} (id {flip.candidate_id}), which the "
        f"reference puts {flip.gap:.3g} below its best; rounding in this dtype moves logits there by up to "
        f"{flip.noise_max_abs_err:.3g}, "
    )
    limit = f"{2 * flip.noise_max_abs_err:.3g}"
    if flip.verdict == "rerouted":
        return said + "and the error at this position stands out as where a router takes another expert: counted there."
    if flip.verdict == "within_noise":
        return said + f"so a difference of up to {limit} decides nothing: within the noise."
    return said + f"which explains differences of up to {limit} only: unexplained."


def _count(flips: Sequence[agreement_results.Flip]) -> FlipCount:
    kinds = Counter(flip.verdict for flip in flips)
    return FlipCount(
        total=len(flips),
        within_noise=kinds["within_noise"],
        unexplained=kinds["unexplained"],
        rerouted=kinds["rerouted"] or None,
    )
