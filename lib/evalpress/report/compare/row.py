"""One row of a comparison, and how a verdict follows from a ratio."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from evalpress.core.plain import Json
from evalpress.report.compare.between_runs import Ratio

Verdict = Literal["better", "worse", "no_difference", "not_comparable"]


@dataclass(frozen=True)
class Row:
    """One figure of both runs: `ratio` is b / a, bounds are a 95 % interval, `why` is the basis of the verdict."""

    metric: str
    unit: str
    a: float | None
    b: float | None
    ratio: float | None
    ci_low: float | None
    ci_high: float | None
    verdict: Verdict
    why: str

    def as_dict(self) -> Json:
        """The fields, with a reason beside each null."""
        found = asdict(self)
        nulls = [key for key in ("a", "b", "ratio", "ci_low", "ci_high") if found[key] is None]
        return found | {f"{key}_why": self.why for key in nulls}


def judged(metric: str, unit: str, a: float, b: float, found: Ratio, *, more_is_better: bool) -> Row:
    """A row whose verdict is that of the interval: one that holds 1 shows no difference."""
    if found.ci_low is None or found.ci_high is None:
        return Row(metric, unit, a, b, found.ratio, None, None, "not_comparable", found.why)
    verdict: Verdict = "no_difference"
    if not found.ci_low <= 1 <= found.ci_high:
        verdict = "better" if (found.ratio > 1) == more_is_better else "worse"
    why = "95 % interval of the ratio, within-run scatter and drift of both runs"
    return Row(metric, unit, a, b, found.ratio, found.ci_low, found.ci_high, verdict, why)


def exact(metric: str, unit: str, a: float, b: float, *, more_is_better: bool, why: str) -> Row:
    """A row of two figures without scatter: any difference counts."""
    verdict: Verdict = "no_difference"
    if a != b:
        verdict = "better" if (b > a) == more_is_better else "worse"
    return Row(metric, unit, a, b, b / a if a else None, None, None, verdict, why)


def not_comparable(metric: str, unit: str, why: str, a: float | None = None, b: float | None = None) -> Row:
    """A row of two figures that are not of the same thing."""
    return Row(metric, unit, a, b, None, None, None, "not_comparable", why)
