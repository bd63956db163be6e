"""Each figure of a file is recomputed: under vLLM's definition, under the tool's, and under all others known."""

from __future__ import annotations

from typing import Literal

from evalpress.reconcile import definitions, rates
from evalpress.reconcile.observed import LATENCY_NAMES, Printed, Run
from evalpress.reconcile.results import Absent, File, Row, Verdict

_EQUAL = 2e-4
"""Figures are equal within this share, or within half of the last digit that the file gives."""
_STATISTICS = ("mean", "median", "std", "p90", "p99")
_LONGER = 1.05
"""A client's own clock may run this much longer than its requests."""
_WITHOUT = {
    "ttft": "the file does not tell when the first token of a request came",
    "tpot": "the file lacks the times of first and last token or the output tokens of a request",
    "itl": "the file does not tell when each chunk came",
    "e2el": "the file does not tell when the last token of a request came",
}


def file_of(run: Run) -> File:
    """The run with every figure judged."""
    found, absent = _under_vllm(run)
    rows = tuple(
        _rate_row(run, one) if one.metric not in LATENCY_NAMES else _latency_row(run, one) for one in run.printed
    )
    source: Literal["requests", "means", "totals"] = (
        "totals" if not run.requests else "means" if run.means else "requests"
    )
    return File(
        files=tuple(str(path) for path in run.files),
        tool=run.tool,
        version=run.version,
        run=run.name,
        requests=0 if run.means else len(run.requests),
        notes=run.notes + _duration_notes(run),
        version_why=None if run.version else "the file does not say",
        rows=rows,
        vllm=found,
        not_recomputed=tuple(absent),
        recomputed_from=source,
    )


def _under_vllm(run: Run) -> tuple[dict[str, float], list[Absent]]:
    found: dict[str, float] = {}
    absent: list[Absent] = []
    for name in LATENCY_NAMES:
        why = _why_not(run, name, "mean")
        if why is not None:
            absent.append(Absent(metric=f"{name}_ms (all statistics)", why=why))
            continue
        values = definitions.observed(run.answered, name)
        for statistic in _STATISTICS if not run.means else ("mean",):
            if values is not None:
                found[f"{statistic}_{name}_ms"] = definitions.statistic(values, statistic)
        if run.means:
            absent.append(Absent(metric=f"{name}_ms (all but the mean)", why=run.lacks))
    duration = rates.vllm_duration(run)
    if duration is None:
        return found, [
            *absent,
            Absent(metric="throughputs", why="the file gives neither a duration nor times of requests"),
        ]
    found["duration"] = duration[1]
    for metric, top in rates.VLLM.items():
        counted = rates.counts(run).get(top)
        if counted is None:
            absent.append(Absent(metric=metric, why=f"the file does not give the {rates.NUMERATORS[top]}"))
        else:
            found[metric] = counted / duration[1]
    return found, absent


def _why_not(run: Run, metric: str, statistic: str) -> str | None:
    """Why a latency cannot be recomputed; None where it can."""
    if not run.requests:
        return run.lacks
    if run.means and (statistic != "mean" or metric == "itl"):
        return run.lacks
    if not run.answered:
        return "no request was answered"
    return None if definitions.observed(run.answered, metric) is not None else _WITHOUT[metric]


def _equal(a: float, b: float, rounding: float) -> bool:
    return abs(a - b) <= max(_EQUAL * abs(b), rounding * 1.001)


def _latency_row(run: Run, one: Printed) -> Row:
    key = f"{one.statistic}_{one.metric}_ms"
    if run.means and one.statistic != "mean":
        return _row(key, one, None, run.lacks, None, run.lacks, "not_recomputed")
    why = _why_not(run, one.metric, one.statistic)
    vllm = None if why else _value(run, one.metric, one.statistic, "linear")
    documented = _value(run, one.definition, one.statistic, one.method)
    if vllm is not None and _equal(one.value, vllm, one.rounding):
        return _row(key, one, vllm, why, definitions.LATENCIES[one.metric].words, None, "same")
    if documented is not None and _equal(one.value, documented, one.rounding):
        return _row(key, one, vllm, why, _words(one.definition, one.method, one.statistic), None, "documented")
    for candidate in definitions.CANDIDATES[one.metric]:
        for method in definitions.METHODS:
            tried = _value(run, candidate, one.statistic, method)
            if tried is not None and _equal(one.value, tried, one.rounding):
                return _row(key, one, vllm, why, _words(candidate, method, one.statistic), None, "changed")
    if documented is None and vllm is None:
        return _row(key, one, None, why, None, why or run.lacks, "not_recomputed")
    return _row(
        key, one, vllm, why, None, "no known definition gives this figure from the file's requests", "unexplained"
    )


def _value(run: Run, definition: str, statistic: str, method: str) -> float | None:
    found = definitions.observed(run.answered, definition) if run.requests else None
    return None if found is None else definitions.statistic(found, statistic, method)


def _words(definition: str, method: str, statistic: str) -> str:
    words = definitions.LATENCIES[definition].words
    percentile = statistic == "median" or statistic.startswith("p")
    return f"{words}; percentile by nearest rank" if percentile and method == "nearest" else words


def _rate_row(run: Run, one: Printed) -> Row:
    if one.metric == "duration":
        return _duration_row(run, one)
    known = rates.rates(run)
    duration = rates.vllm_duration(run)
    vllm = known.get(f"{rates.VLLM[one.metric]}/{duration[0]}") if duration else None
    why = None if vllm else "the file lacks the counts or the duration"
    value = vllm.value if vllm else None
    if vllm and _equal(one.value, vllm.value, one.rounding):
        return _row(one.metric, one, value, why, vllm.words, None, "same")
    documented = known.get(one.definition)
    if documented and _equal(one.value, documented.value, one.rounding):
        return _row(one.metric, one, value, why, documented.words, None, "documented")
    for rate in known.values():
        if _equal(one.value, rate.value, one.rounding):
            return _row(one.metric, one, value, why, rate.words, None, "changed")
    if not known:
        return _row(one.metric, one, None, why, None, why, "not_recomputed")
    return _row(
        one.metric, one, value, why, None, "no known count over a known duration gives this figure", "unexplained"
    )


def _duration_row(run: Run, one: Printed) -> Row:
    """A client's clock starts before its first request and stops after its last: the stated time is no shorter."""
    known = {key: seconds for key, seconds in rates.durations(run).items() if key != "stated"}
    span = known.get("span")
    if span is None:
        why = "the file does not tell when each request was sent and answered"
        return _row("duration", one, None, why, None, why, "not_recomputed")
    for key, verdict in (("span", "same"), (one.definition, "documented")):
        if key in known and _equal(one.value, known[key], one.rounding):
            return _row("duration", one, span, None, rates.DURATIONS[key], None, verdict)  # type: ignore[arg-type]
    for key, seconds in known.items():
        if _equal(one.value, seconds, one.rounding):
            return _row("duration", one, span, None, rates.DURATIONS[key], None, "changed")
    if one.definition == "clock" and one.value > span:
        return _row("duration", one, span, None, "the client's clock around all its requests", None, "documented")
    return _row(
        "duration", one, span, None, None, "not the time from the first request to the last token", "unexplained"
    )


def _duration_notes(run: Run) -> tuple[str, ...]:
    found = rates.durations(run)
    if "stated" not in found or "span" not in found or found["stated"] <= _LONGER * found["span"]:
        return ()
    longer = found["stated"] / found["span"] - 1
    return (f"the stated duration is {longer:.0%} longer than from the first request to the last token",)


def _row(
    metric: str,
    one: Printed,
    vllm: float | None,
    why: str | None,
    definition: str | None,
    no: str | None,
    verdict: Verdict,
) -> Row:
    ratio = one.value / vllm if vllm else None
    no_ratio = why or "the figure under vLLM's definition is 0 or not known"
    return Row(
        metric=metric,
        name=one.name,
        theirs=one.value,
        vllm=vllm,
        ratio=ratio,
        definition=definition,
        verdict=verdict,
        vllm_why=why or "not recomputed" if vllm is None else None,
        ratio_why=no_ratio if ratio is None else None,
        definition_why=no or "not known" if definition is None else None,
    )
