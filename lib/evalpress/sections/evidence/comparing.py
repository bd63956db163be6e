"""Two sets of answers to the same prompts, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

Answers = Mapping[str, Sequence[int]]
"""Prompt id -> output token ids."""

END = "(end)"


@dataclass(frozen=True)
class Answer:
    """One output: token ids, and each token's score where the engine gave it."""

    token_ids: tuple[int, ...]
    scores: tuple[float, ...] = ()

    def first(self, length: int) -> Answer:
        """The first tokens of it."""
        return Answer(self.token_ids[:length], self.scores[:length])


Run = Mapping[str, Answer]
"""Prompt id -> output of one run."""


class More(TypedDict, total=False):
    """What only some checks measure: keys of `results.Check`."""

    identical_bytes: int
    cached_tokens: int
    prompt_tokens: int
    reference: Mapping[str, object]


class Counts(TypedDict):
    """The figures of a check, without explanations: keys of `results.Check`."""

    runs: int
    identical: int
    of: int
    tokens: int
    unique_outputs: dict[str, int]
    output_tokens: int
    rate_upper_95: float | None
    rate_upper_95_why: str | None
    differing: tuple[str, ...] | None
    logprobs_identical: int | None
    logprobs_identical_why: str | None
    logprobs_of: int | None
    logprobs_of_why: str | None


@dataclass(frozen=True)
class Found:
    """A check's runs with the outputs they are compared with; `against` names the latter in the raw observations."""

    runs: Sequence[Run]
    baseline: Run
    against: str
    asked: Answers
    more: More = field(default_factory=More)
    scores_why: str | None = None
    """Why scores cannot be compared, where they cannot."""
    same_change: bool = False
    """Every run changes the same thing: for the bound on the rate, runs with the same output count once."""
    drawn: bool = False
    """Tokens were drawn at a temperature: a small distance of two logits does not explain a difference."""


@dataclass(frozen=True)
class Difference:
    """The first token at which a run's output differs from the baseline's."""

    case: str
    position: int
    token: int | str
    other_token: int | str


def divergence(a: Sequence[int], b: Sequence[int]) -> int | None:
    """The first position at which two token sequences differ; None when they are the same."""
    if tuple(a) == tuple(b):
        return None
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def differences(found: Found) -> list[Difference]:
    """Every first difference once, in the order of the prompts."""
    seen: dict[Difference, None] = {}
    for case, answer in found.baseline.items():
        for run in found.runs:
            a, b = answer.token_ids, run[case].token_ids
            at = divergence(a, b)
            if at is not None:
                pair = (a[at] if at < len(a) else END, b[at] if at < len(b) else END)
                seen[Difference(case, at, *pair)] = None
    return list(seen)


def counts(found: Found) -> Counts:
    """The figures of a check, without explanations."""
    differing = sorted({d.case for d in differences(found)}, key=list(found.baseline).index)
    compared = independent = events = 0
    for case, answer in found.baseline.items():
        outputs = [run[case].token_ids for run in found.runs]
        ends = [divergence(answer.token_ids, ids) for ids in (set(outputs) if found.same_change else outputs)]
        compared += sum(_read(answer, divergence(answer.token_ids, ids)) for ids in outputs)
        independent += sum(_read(answer, at) for at in ends)
        events += sum(at is not None for at in ends)
    unique = {case: len({answer.token_ids, *(run[case].token_ids for run in found.runs)}) for case, answer in
              found.baseline.items()}  # fmt: skip
    same, scores, why = _scores(found)
    return {
        "runs": len(found.runs),
        "identical": len(found.baseline) - len(differing),
        "of": len(found.baseline),
        "tokens": compared,
        "unique_outputs": unique,
        "output_tokens": max((len(answer.token_ids) for answer in found.baseline.values()), default=0),
        "rate_upper_95": rate_upper_95(events, independent) if independent else None,
        "rate_upper_95_why": None if independent else "no output token was compared",
        "differing": tuple(differing) or None,
        "logprobs_identical": same,
        "logprobs_identical_why": why,
        "logprobs_of": scores,
        "logprobs_of_why": why,
    }


def _read(answer: Answer, end: int | None) -> int:
    """Tokens compared up to the first difference."""
    return len(answer.token_ids) if end is None else end + 1


def _scores(found: Found) -> tuple[int | None, int | None, str | None]:
    """Scores that are the same to the last bit up to each first difference, of how many; or why that is unknown."""
    same = of = 0
    for run in found.runs:
        for case, answer in found.baseline.items():
            at = divergence(answer.token_ids, run[case].token_ids)
            pairs = list(zip(answer.scores[:at], run[case].scores[:at], strict=False))
            of += len(pairs)
            same += sum(a == b for a, b in pairs)
    if of and not found.scores_why:
        return same, of, None
    return None, None, found.scores_why or "one side gave no scores"


def rate_upper_95(events: int, n: int) -> float:
    """Upper bound of a one-sided 95 % interval of a rate (Clopper and Pearson 1934); about 3 / n for no event.

    Raises:
        ValueError: n is 0, or `events` is not between 0 and n.
    """
    if not (n > 0 and 0 <= events <= n):
        raise ValueError(f"rate: found {events} of {n}, allowed 0 to n of n > 0")
    if events == n:
        return 1.0
    from scipy.special import betaincinv  # late: scipy takes a second to import

    return float(betaincinv(events + 1, n - events, 0.95))
