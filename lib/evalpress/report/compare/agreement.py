"""Rows of numerics and determinism: computed or counted on the same inputs, judged by paired or exact tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scipy.stats import fisher_exact

from evalpress.core.stats import paired_ratio
from evalpress.report.compare.row import Row, Verdict, exact, not_comparable
from evalpress.report.compare.run import Run

LEVEL = 0.05
_CLOSE = 0.05
"""Errors of the logits within 5 % of each other are called no difference: another thread count moves them as much."""


def numerics(a: Run, b: Run, why_not: str) -> Iterator[Row]:
    """Error of the logits, each candidate that both runs compared with the reference."""
    if "alignment" not in a.sections or "alignment" not in b.sections:
        return
    first, second = (run.sections["alignment"].data.candidates for run in (a, b))
    for name in first:
        if name not in second:
            continue
        yield from _candidate(f"alignment.{name}", first[name], second[name], why_not)


def _candidate(name: str, a: Any, b: Any, why_not: str) -> Iterator[Row]:
    for key, unit in (("kl_divergence", "nats"), ("rmse", "logits"), ("noise_ratio", "×")):
        values = getattr(a, key), getattr(b, key)
        if None in values:
            continue
        if why_not:
            yield not_comparable(f"{name}.{key}", unit, why_not, *values)
        else:
            yield _errors(f"{name}.{key}", unit, (a, b), "rmse" if key == "noise_ratio" else key, values)
    if why_not:
        return
    right = [round(run.top1_agreement * run.n_positions) for run in (a, b)]
    counts = [[count, run.n_positions - count] for count, run in zip(right, (a, b), strict=True)]
    yield by_counts(f"{name}.top1_agreement", counts)
    flips = a.flips.unexplained, b.flips.unexplained
    yield exact(f"{name}.unexplained_flips", "", *flips, more_is_better=False, why="counted over the same positions")


def _errors(metric: str, unit: str, runs: tuple[Any, Any], key: str, values: tuple[float, float]) -> Row:
    """Errors of both runs, paired text by text; a ratio within 5 % counts as none whatever its interval says."""
    texts = [{text.id: getattr(text, key) for text in run.prompts} for run in runs]
    both = [name for name in texts[0] if name in texts[1]]
    pairs = [(texts[0][name], texts[1][name]) for name in both]
    pairs = [(x, y) for x, y in pairs if x is not None and y is not None and x > 0 and y > 0]
    if len(pairs) < 3:
        return _close(metric, unit, *values)
    found = paired_ratio([y for _, y in pairs], [x for x, _ in pairs])
    low, high = found.ci_low, found.ci_high
    verdict: Verdict = "no_difference"
    if low is not None and high is not None and not low <= 1 <= high and abs(found.ratio - 1) > _CLOSE:
        verdict = "worse" if found.ratio > 1 else "better"
    why = f"95 % interval of the ratio over {len(pairs)} texts, paired; less than 5 % apart does not count"
    return Row(metric, unit, *values, found.ratio, low, high, verdict, why)


def _close(metric: str, unit: str, a: float, b: float) -> Row:
    same = abs(b - a) <= _CLOSE * max(abs(a), abs(b))
    verdict: Verdict = "no_difference" if same else "worse" if b > a else "better"
    return Row(metric, unit, a, b, b / a if a else None, None, None, verdict, "more than 5 % apart counts")


def determinism(a: Run, b: Run) -> Iterator[Row]:
    """Identical outputs of each determinism check, by Fisher's exact test."""
    if "evidence" not in a.sections or "evidence" not in b.sections:
        return
    second = {check.rung: check for check in b.sections["evidence"].data.determinism}
    for check in a.sections["evidence"].data.determinism:
        other = second.get(check.rung)
        if other is None or None in (check.identical, other.identical, check.of, other.of):
            continue
        counts = [[one.identical, one.of - one.identical] for one in (check, other)]
        yield by_counts(f"determinism.{check.rung}", counts)


def by_counts(metric: str, counts: list[list[int]]) -> Row:
    """Two shares, each given by its counts of yes and no, by Fisher's exact test."""
    p = float(fisher_exact(counts).pvalue)
    first, second = (yes / (yes + no) for yes, no in counts)
    return tested(metric, (first, second), p, f"Fisher's exact test, p = {p:.3g}")


def tested(metric: str, shares: tuple[float, float], p: float, why: str) -> Row:
    """Two shares of which more is better, by the p value of a test."""
    verdict: Verdict = "no_difference" if p >= LEVEL else "better" if shares[1] > shares[0] else "worse"
    return Row(metric, "share", *shares, shares[1] / shares[0] if shares[0] else None, None, None, verdict, why)
