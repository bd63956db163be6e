"""Agreement of the rules with a person: outputs whose verdict was decided by reading, judged again by the rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from evalpress.core import stats
from evalpress.sections.quality.cases import Case
from evalpress.sections.quality.judging import verdict
from evalpress.sections.quality.results import Kind

Label = Literal["pass", "fail", "cut"]


class Labelled(BaseModel):
    """One output of a real model with a person's verdict and the reason in a few words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    kind: Kind
    temperature: float
    case: str
    output: str
    finish_reason: str | None
    half: Literal["tuned", "held"]
    """Rules were changed after looking at `tuned`; figures are stated on `held`."""
    label: Label
    why: str


class Judged(BaseModel):
    """A labelled output with the rule's verdict."""

    model_config = ConfigDict(frozen=True)

    one: Labelled
    category: str
    checker: str
    found: str
    reason: str

    @property
    def false_pass(self) -> bool:
        """The rule passes an output that a person does not pass."""
        return self.found == "pass" and self.one.label != "pass"

    @property
    def false_fail(self) -> bool:
        """The rule fails an output that a person passes."""
        return self.found == "fail" and self.one.label == "pass"


class Agreement(BaseModel):
    """Counts over a group of labelled outputs; shares are of all outputs of the group, with Wilson intervals."""

    model_config = ConfigDict(frozen=True)

    name: str
    n: int
    agree: int
    undecided: int
    """Outputs that the rules leave to a person."""
    false_pass: int
    false_fail: int

    def share(self, count: int) -> tuple[float, float, float]:
        """`count` of the group as a share, with its 95 % interval."""
        low, high = stats.wilson_interval(count, self.n)
        return count / self.n, low, high


def load(folder: Path) -> list[Labelled]:
    """All labelled outputs of a folder's `*.jsonl`, in order of the files' names."""
    lines = (line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").split("\n"))
    return [Labelled.model_validate(json.loads(line)) for line in lines if line]


def judge(labelled: Iterable[Labelled], cases: Sequence[Case]) -> list[Judged]:
    """Every labelled output with the verdict of its case's rule."""
    known = {case.id: case for case in cases}
    judged = []
    for one in labelled:
        case = known[one.case]
        found = verdict(case, one.output, one.finish_reason, one.kind)
        names = [name for name in ("answer", "all_of", "any_of") if name in case.checker]
        checker = next(iter(case.checker)) if not names else _inner(case.checker)
        judged.append(
            Judged(one=one, category=case.category, checker=checker, found=found.verdict, reason=found.reason)
        )
    return judged


def _inner(spec: object) -> str:
    """The first checker inside a composite."""
    while isinstance(spec, dict):
        (name, arguments), *_ = spec.items()
        if name not in ("answer", "first_line", "all_of", "any_of"):
            return str(name)
        spec = arguments[0] if isinstance(arguments, list) else arguments
    return str(spec)


def summarise(name: str, judged: Sequence[Judged]) -> Agreement:
    """The counts of one group."""
    counted = Counter(one.found == one.one.label for one in judged)
    return Agreement(
        name=name,
        n=len(judged),
        agree=counted[True],
        undecided=sum(one.found == "needs_review" for one in judged),
        false_pass=sum(one.false_pass for one in judged),
        false_fail=sum(one.false_fail for one in judged),
    )


def confusion(judged: Sequence[Judged]) -> dict[str, Counter[str]]:
    """Person's verdict -> how often the rules give each verdict."""
    table: dict[str, Counter[str]] = {label: Counter() for label in ("pass", "fail", "cut")}
    for one in judged:
        table[one.one.label][one.found] += 1
    return table
