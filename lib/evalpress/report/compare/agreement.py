"""Rows of numerics, determinism and quality: counted or computed on the same inputs, judged by exact tests."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.stats import fisher_exact

from evalpress.core.stats import mcnemar_exact
from evalpress.report.compare.row import Row, Verdict, exact, not_comparable
from evalpress.report.compare.run import Run

_LEVEL = 0.05
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
        for key, unit in (("kl_divergence", "nats"), ("noise_ratio", "×")):
            values = getattr(first[name], key), getattr(second[name], key)
            if None in values:
                continue
            if why_not:
                yield not_comparable(f"alignment.{name}.{key}", unit, why_not, *values)
            else:
                yield _close(f"alignment.{name}.{key}", unit, *values)
        flips = first[name].flips.unexplained, second[name].flips.unexplained
        if not why_not:
            said = "counted over the same positions"
            yield exact(f"alignment.{name}.unexplained_flips", "", *flips, more_is_better=False, why=said)


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
        if other is None or check.identical is None or other.identical is None:
            continue
        table = [[one.identical, one.of - one.identical] for one in (check, other)]
        p = float(fisher_exact(table).pvalue)
        shares = check.identical / check.of, other.identical / other.of
        yield _tested(f"determinism.{check.rung}", shares, p, f"Fisher's exact test, p = {p:.3g}")


def quality(a: Run, b: Run) -> Iterator[Row]:
    """Verdicts of the cases that both runs asked in the same words, paired case by case."""
    if "quality" not in a.sections or "quality" not in b.sections:
        return
    second = {case.id: case for case in b.sections["quality"].data.cases}
    pairs = [
        (case.verdict == "pass", second[case.id].verdict == "pass")
        for case in a.sections["quality"].data.cases
        if case.id in second
        and case.prompt == second[case.id].prompt
        and {case.verdict, second[case.id].verdict} <= {"pass", "fail"}
    ]
    if not pairs:
        return
    lost, won = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
    p = mcnemar_exact(lost, won)
    shares = sum(x for x, _ in pairs) / len(pairs), sum(y for _, y in pairs) / len(pairs)
    why = f"McNemar's exact test over {len(pairs)} cases decided in both: {lost} lost, {won} won, p = {p:.3g}"
    yield _tested("quality.pass_rate", shares, p, why)


def _tested(metric: str, shares: tuple[float, float], p: float, why: str) -> Row:
    verdict: Verdict = "no_difference" if p >= _LEVEL else "better" if shares[1] > shares[0] else "worse"
    return Row(metric, "share", *shares, shares[1] / shares[0] if shares[0] else None, None, None, verdict, why)
