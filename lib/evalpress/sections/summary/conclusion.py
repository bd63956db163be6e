"""The conclusion: what the report found, in sentences for any reader, each with the section behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.results import PairedMetric
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.gate import Gate
from evalpress.sections.quality.results import Results as Quality
from evalpress.sections.serving.results import Results as Serving
from evalpress.sections.summary.measured import Measured, judged_runs, throughput_workload
from evalpress.sections.summary.results import Clause, SummarySection

_MOST_GATES = 3
SLO_SHARE = 0.95
"""Share of requests that must keep the SLO for a load to count as kept."""


def clauses(data: Measured, sections: Mapping[str, SummarySection], gates: Sequence[Gate] = ()) -> list[Clause]:
    """One sentence for each section that measured something worth a conclusion, and for all that failed."""
    found = [Clause(text=text, section=name) for name, text in _sentences(data)]
    failed = [
        Clause(text=f"The section {name} failed and has no results.", section=name)
        for name, state in sections.items()
        if state.status == "failed"
    ]
    return found + failed + list(_not_kept(gates))


def _sentences(data: Measured) -> Iterator[tuple[str, str]]:
    """Section and sentence, in the order of the conclusion."""
    if "benchmark" in data:
        yield from (("benchmark", text) for text in _speed(data["benchmark"]))
    if "alignment" in data:
        yield from (("alignment", text) for text in _agreement(data["alignment"]))
    if "evidence" in data:
        yield from (("evidence", text) for text in _repeats(data["evidence"]))
    if "quality" in data:
        yield from (("quality", text) for text in _quality(data["quality"]))
    if "serving" in data:
        yield from (("serving", text) for text in _load(data["serving"]))


def _not_kept(gates: Sequence[Gate]) -> Iterator[Clause]:
    """A sentence for each of the first failed gates, and one for the rest; failed sections have their own."""
    broken = [gate for gate in gates if gate.status == "fail" and gate.id != "section_done"]
    for gate in broken[:_MOST_GATES]:
        found = f"{gate.found:.4g}" if isinstance(gate.found, float) else gate.found_why or str(gate.found)
        name = gate.id.replace("_", " ").replace(".", ", ")
        yield Clause(text=f"The gate {name} fails: found {found}, allowed {gate.allowed}.", section=gate.section)
    if rest := broken[_MOST_GATES:]:
        more = f"{len(rest)} more gates fail." if len(rest) > 1 else "One more gate fails."
        yield Clause(text=more, section=rest[0].section)


def _speed(data: Benchmark) -> Iterator[str]:
    name = throughput_workload(data)
    if name is None:
        return
    told: list[str | None] = []
    for mode, pair in data.pairs.items():
        main = pair.comparison.get(name, {}).get("output_throughput")
        told.append(_speed_up(mode, name, main) if main else None)
        yield from (sentence for sentence in (told[-1], _elsewhere(mode, name, pair.comparison)) if sentence)
    if not told or None in told:
        for mode, measured in data.modes.items():
            rate = measured.workloads[name].output_throughput
            yield f"In {mode} mode the model generates {rate:,.0f} tokens per second."


def _elsewhere(mode: str, main: str, compared: Mapping[str, Mapping[str, PairedMetric]]) -> str | None:
    """The other workloads on which a mode shows no difference from eager, where it shows one on the main workload."""
    known = {name: metrics["output_throughput"] for name, metrics in compared.items() if "output_throughput" in metrics}
    unsure = [name for name, found in known.items() if not _shows_difference(found)]
    if main in unsure or main not in known or not unsure:
        return None
    return f"No difference in tokens per second between {mode} and eager mode is shown on {', '.join(unsure)}."


def _shows_difference(found: PairedMetric) -> bool:
    low, high = found.ci_low, found.ci_high
    return low is not None and high is not None and not low <= 1 <= high


def _speed_up(mode: str, workload: str, found: PairedMetric) -> str | None:
    """A compiling mode's speed beside eager's, in a sentence; None where it has no interval."""
    ratio, low, high = found.ratio, found.ci_low, found.ci_high
    if ratio is None or low is None or high is None:
        return None
    name = mode[0].upper() + mode[1:]
    interval = f"95 % interval {_percent(low)} to {_percent(high)}, {found.n_pairs} pairs of blocks"
    if low <= 1 <= high:
        return f"{name} and eager mode show no certain difference in tokens per second on {workload} ({interval})."
    word = "more" if ratio > 1 else "fewer"
    share = f"{100 * abs(ratio - 1):.0f} %"
    return f"{name} mode generates {share} {word} tokens per second than eager on {workload} ({interval})."


def _percent(ratio: float) -> str:
    return f"{'+' if ratio >= 1 else '−'}{100 * abs(ratio - 1):.0f} %"


def _agreement(data: Alignment) -> Iterator[str]:
    for name, mode in judged_runs(data):
        yield _logits(data, name, mode)


def _logits(data: Alignment, name: str, mode: str) -> str:
    noise, cosine = data.candidates[name].noise_ratio, data.candidates[name].cosine_similarity
    shown = "" if cosine is None else f" (cosine similarity {cosine:.6f})"
    if noise is None:
        return f"How far the logits of {mode} mode are from the float32 reference was not measured{shown}."
    if noise <= 2:
        return f"The logits of {mode} mode agree with the float32 reference within the noise of the data type{shown}."
    return f"The logits of {mode} mode differ from the float32 reference by {noise:.1f} times the noise{shown}."


def _repeats(data: Evidence) -> Iterator[str]:
    if data.reliance:
        yield f"Answers at temperature 0: {data.reliance}"
        return
    for check in data.determinism:
        if check.rung == "same_engine_again" and check.identical is not None:
            yield f"Asked again, the engine gives the same answer to {check.identical} of {check.of} prompts."


def _quality(data: Quality) -> Iterator[str]:
    verdicts: list[str | None] = [case.verdict for case in data.cases]
    passed, decided = verdicts.count("pass"), verdicts.count("pass") + verdicts.count("fail")
    limit = "its token limit" if verdicts.count("cut") == 1 else "their token limit"
    others = {"cut": f"cut at {limit}", "needs_review": "waiting for a person"}
    left = [f"{verdicts.count(key)} {words}" for key, words in others.items() if verdicts.count(key)]
    more = f" ({', '.join(left)})" if left else ""
    if decided:
        yield f"It passes {passed} of {decided} decided quality cases{more}."
    if decided and (cut := verdicts.count("cut")):
        yield f"If answers that were cut count as failed, it passes {passed} of {decided + cut}."


@dataclass(frozen=True)
class Load:
    """The highest load of one mode's server that keeps the SLO, as every lower one does, and the next that does not.

    In requests per second that arrive at random; without such points in requests at a time.
    """

    mode: str
    unit: str
    kept: float | None
    broken: float | None
    open: tuple[float, int, int, bool] | None = None
    """Of the highest load below `broken` that shows neither: load, requests that kept the SLO, requests counted, and
    whether the load was constant."""


def load_within_slo(data: Serving) -> Load | None:
    """From the open loop, else the closed loop, of the first mode; None where no point has an SLO.

    A closed loop gives no request rate: with one request at a time, no request waits for another.
    """
    rates = [(one.request_rate, one) for one in data.rates]
    levels = [(float(one.max_concurrency), one) for one in data.levels]
    for unit, points in (("requests per second", rates), ("requests at a time", levels)):
        of_mode = sorted(((at, one) for at, one in points if one.mode == points[0][1].mode), key=lambda pair: pair[0])
        judged = [(at, one.keeps_slo(SLO_SHARE), one) for at, one in of_mode if one.slo_attainment is not None]
        if not judged:
            continue
        broken = next((at for at, keeps, _ in judged if keeps is False), None)
        below = [(at, keeps, one) for at, keeps, one in judged if broken is None or at < broken]
        kept = max((at for at, keeps, _ in below if keeps), default=None)
        undecided = [
            (at, round((one.slo_attainment or 0.0) * one.window_requests), one.window_requests, one.is_constant)
            for at, keeps, one in below
            if keeps is None and (kept is None or at > kept)
        ]
        return Load(points[0][1].mode, unit, kept, broken, undecided[-1] if undecided else None)
    return None


def _load(data: Serving) -> Iterator[str]:
    found = load_within_slo(data)
    if found is None:
        return
    told = f"of requests to the {found.mode} server keep the SLO"
    if found.kept is not None:
        unit = found.unit.replace("requests", "request") if found.kept == 1 else found.unit
        after = f"; at {found.broken:.3g} they no longer do." if found.broken is not None else "."
        yield f"Up to {found.kept:.3g} {unit} 95 % {told}{after}"
    elif found.broken is not None and found.open is None:
        yield f"At no measured load, from {found.broken:.3g} {found.unit} on, do 95 % {told}."
    if found.open is not None:
        yield _not_shown(found, *found.open)


def _not_shown(found: Load, load: float, kept: int, of: int, constant: bool) -> str:
    """The highest load of which this run shows neither that it keeps the SLO nor that it does not."""
    unit = found.unit.replace("requests", "request") if load == 1 else found.unit
    why = "too few to say that 95 % do" if constant else "but the load was not constant"
    after = f"; at {found.broken:.3g} fewer than 95 % do" if found.broken is not None and found.kept is None else ""
    return (
        f"At {load:.3g} {unit} to the {found.mode} server {kept} of {of} counted requests kept the SLO, {why}{after}."
    )
