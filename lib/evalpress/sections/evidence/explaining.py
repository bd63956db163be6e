"""The float32 reference's logits for the outputs: at each first difference, and the rank of every token.

The reference is transformers on the CPU in float32, the noise is the same model in the engine's dtype; both read prompt
and output (one forward pass, teacher-forced). A difference is within the noise where both tokens' reference logits lie
within twice the noise at that position of the best one: two logits that the dtype alone moves by up to e can change
places when they are at most 2 e apart. This is the rule by which the alignment section judges flips.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from evalpress.core.floats import spacing
from evalpress.core.progress import step
from evalpress.params.schema import Params
from evalpress.sections.evidence.comparing import END, Difference, Found, Run
from evalpress.sections.evidence.reading import Reader, Reading
from evalpress.sections.evidence.results import Divergence

Name = tuple[str, str]
"""Which output: the baseline's name and the prompt's id."""
Row = NDArray[np.float32]
TokenText = Callable[[int], str]
_LOGITS_OF = "transformers on CPU in float32"
_VERDICTS = {
    "within_noise": "within the noise.",
    "unexplained": "unexplained.",
    "rerouted": (
        "beyond that, but a router chose its experts at a near tie there or before, and others move logits by more."
    ),
}
_DRAWN = "tokens were drawn: near logits explain nothing"


@dataclass
class Readings:
    """Results of the passes: ranks of all output tokens, and whole rows of logits where outputs differ first."""

    ranks: dict[Name, list[int]] = field(default_factory=dict)
    reference: dict[tuple[Name, int], Row] = field(default_factory=dict)
    engine_dtype: dict[tuple[Name, int], Row] = field(default_factory=dict)
    ties: dict[Name, frozenset[int]] = field(default_factory=dict)
    """Output tokens that depend on a choice which a router of a mixture of experts made at a near tie."""


def read(
    params: Params,
    reader: Reader,
    outputs: Mapping[str, tuple[Mapping[str, Sequence[int]], Run]],
    parted: Mapping[Name, set[int]],
) -> Readings:
    """Process outputs with the reference; the positions of first differences in the engine's dtype, too.

    Args:
        outputs: baseline's name -> prompts and outputs, whose tokens get ranks.
        parted: output -> positions whose rows of logits are kept.

    Raises:
        MeasurementError: transformers cannot run the model.
    """
    texts: dict[Name, list[int]] = {}
    starts: dict[Name, int] = {}
    for against, (asked, run) in outputs.items():
        for case, one in run.items():
            texts[against, case] = [*asked[case], *one.token_ids]
            starts[against, case] = len(asked[case]) - 1
    found = Readings()
    every = {n: list(range(starts[n], len(ids) - 1)) for n, ids in texts.items() if len(ids) > starts[n] + 1}
    kept = {name: frozenset(at + starts[name] for at in where) for name, where in parted.items() if where}
    step("evidence: the outputs read by the reference in float32")
    for name, seen in _read(reader, "float32", texts, every, kept):
        found.ranks.setdefault(name, []).extend(seen.ranks)
        found.reference |= {(name, at - starts[name]): row for at, row in seen.rows.items()}
        found.ties[name] = found.ties.get(name, frozenset()) | {at - starts[name] for at in seen.ties}
    if kept:
        step(f"evidence: the positions where outputs part, in {params.engine.dtype}")
        for name, seen in _read(reader, params.engine.dtype, texts, {n: sorted(at) for n, at in kept.items()}, kept):
            found.engine_dtype |= {(name, at - starts[name]): row for at, row in seen.rows.items()}
    return found


def _read(
    reader: Reader,
    dtype: str,
    texts: Mapping[Name, list[int]],
    positions: Mapping[Name, list[int]],
    kept: Mapping[Name, frozenset[int]],
) -> Iterator[tuple[Name, Reading]]:
    """The readings of these positions; names are passed to the other process as text."""
    keys = {name: json.dumps(name) for name in positions}
    names = {key: name for name, key in keys.items()}
    _, readings = reader.read(
        dtype,
        {key: texts[name] for name, key in keys.items()},
        {key: positions[name] for name, key in keys.items()},
        {keys[name]: wanted for name, wanted in kept.items() if name in keys},
    )
    yield from ((names[one.key], one) for one in readings)


def explain(difference: Difference, found: Found, readings: Readings, dtype: str, text: TokenText) -> Divergence:
    """The difference with the reference's logits of its two tokens."""
    case, position = difference.case, difference.position
    pair = (difference.token, difference.other_token)
    if END in pair:
        why = "one output ended before the other"
        return Divergence(case=case, position=position, token=pair[0], other_token=pair[1], logit_margin=None,
                          logit_margin_why=why, verdict_why=why)  # fmt: skip
    key = ((found.against, case), position)
    a, b = int(pair[0]), int(pair[1])
    texts = (text(a), text(b))
    reference, other = readings.reference.get(key), readings.engine_dtype.get(key)
    if reference is None or other is None:
        why = "the reference did not read this output"
        return Divergence(case=case, position=position, token=a, other_token=b, texts=texts, logit_margin=None,
                          logit_margin_why=why, verdict_why=why)  # fmt: skip
    judged = judge(reference, other, a, b, dtype)
    if judged["verdict"] == "unexplained" and position in readings.ties.get((found.against, case), ()):
        judged["verdict"] = "rerouted"
    row = Divergence(case=case, position=position, token=a, other_token=b, texts=texts, logits_of=_LOGITS_OF, **judged)
    if found.drawn:
        row = row.model_copy(update={"verdict": None, "verdict_why": _DRAWN})
    return row.model_copy(update={"sentence": sentence(row, text(judged["best_token"]))})


class Judged(TypedDict):
    """Two tokens at one position, by the reference: keys of `results.Divergence`."""

    logit: float
    other_logit: float
    logit_margin: float
    dtype_spacing: float
    best_token: int
    shortfall: float
    noise_max_abs_err: float
    verdict: Literal["within_noise", "unexplained", "rerouted"]


def judge(reference: Row, other: Row, a: int, b: int, dtype: str) -> Judged:
    """Margin, noise and verdict of two tokens at one position.

    Args:
        reference: raw logits in float32, [vocabulary].
        other: the same in the engine's dtype.
        dtype: the engine's; the noise is at least the spacing of its numbers at the best logit.
    """
    best = int(reference.argmax())
    step_ = float(spacing(np.abs(reference[[best, a, b]]).max(), dtype))
    noise = max(float(np.abs(reference.astype(np.float64) - other).max()), step_)
    shortfall = float(reference[best]) - float(min(reference[a], reference[b]))
    return {
        "logit": float(reference[a]),
        "other_logit": float(reference[b]),
        "logit_margin": abs(float(reference[a]) - float(reference[b])),
        "dtype_spacing": step_,
        "best_token": best,
        "shortfall": shortfall,
        "noise_max_abs_err": noise,
        "verdict": "within_noise" if shortfall <= 2 * noise else "unexplained",
    }


def sentence(row: Divergence, best: str) -> str:
    """A difference in words, from its numbers alone. Token texts are in it as JSON strings."""
    first, second = (json.dumps(text, ensure_ascii=False) for text in row.texts or ("", ""))
    said = (
        f"{row.case}, token {row.position + 1}: {first} against {second}; the reference prefers "
        f"{json.dumps(best, ensure_ascii=False)}, the lower of the two lies {row.shortfall:.3g} below it, and the "
        f"dtype alone moves logits there by up to {row.noise_max_abs_err:.3g}: "
    )
    if row.verdict is None:
        return said + "no verdict, the tokens were drawn."
    return said + _VERDICTS[row.verdict]
