"""The conclusion: what the report found, in sentences that a stranger understands, each with the section behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalpress.sections.gate import Gate
from evalpress.sections.summary.results import Clause, SummarySection

Data = Mapping[str, Mapping[str, Any]]
"""Section name -> its results' `data` as plain JSON."""
_MOST_GATES = 3
SLO_SHARE = 0.95
"""Share of requests that must keep the SLO for a load to count as kept."""


def clauses(data: Data, sections: Mapping[str, SummarySection], gates: Sequence[Gate] = ()) -> list[Clause]:
    """One sentence for each section that measured something worth a conclusion, and for all that failed."""
    made = {
        "benchmark": _speed,
        "alignment": _agreement,
        "evidence": _repeats,
        "quality": _quality,
        "serving": _load,
    }
    found = [Clause(text=text, section=name) for name, say in made.items() if name in data for text in say(data[name])]
    failed = [
        Clause(text=f"The section {name} failed and has no results.", section=name)
        for name, state in sections.items()
        if state.status == "failed"
    ]
    return found + failed + list(_not_kept(gates))


def _not_kept(gates: Sequence[Gate]) -> Iterator[Clause]:
    """A sentence for each of the first failed gates, and one for the rest; failed sections have said so."""
    broken = [gate for gate in gates if gate.status == "fail" and gate.id != "section_done"]
    for gate in broken[:_MOST_GATES]:
        found = f"{gate.found:.4g}" if isinstance(gate.found, float) else gate.found_why or str(gate.found)
        name = gate.id.replace("_", " ").replace(".", ", ")
        yield Clause(text=f"The gate {name} fails: found {found}, allowed {gate.allowed}.", section=gate.section)
    if rest := broken[_MOST_GATES:]:
        more = f"{len(rest)} more gates fail." if len(rest) > 1 else "One more gate fails."
        yield Clause(text=more, section=rest[0].section)


def _speed(data: Mapping[str, Any]) -> Iterator[str]:
    name = next((n for n, load in data["workloads"].items() if load["kind"] == "throughput"), None)
    if name is None:
        return
    found = data.get("comparison", {}).get(name, {}).get("output_throughput", {})
    ratio, low, high = (found.get(key) for key in ("ratio", "ci_low", "ci_high"))
    if ratio is None or low is None or high is None:
        for mode, measured in data["modes"].items():
            rate = measured["workloads"][name]["output_throughput"]
            yield f"In {mode} mode the model generates {rate:,.0f} tokens per second."
        return
    interval = f"95 % interval {_percent(low)} to {_percent(high)}"
    if low <= 1 <= high:
        yield f"Compiled and eager mode show no certain difference in tokens per second ({interval})."
        return
    word = "more" if ratio > 1 else "fewer"
    share = f"{100 * abs(ratio - 1):.0f} %"
    yield f"Compiled mode generates {share} {word} tokens per second than eager ({interval})."


def _percent(ratio: float) -> str:
    return f"{'+' if ratio >= 1 else '−'}{100 * abs(ratio - 1):.0f} %"


def _agreement(data: Mapping[str, Any]) -> Iterator[str]:
    name = next((n for n in ("vllm_compiled", "vllm_eager") if n in data["candidates"]), None)
    if name is None:
        return
    found = data["candidates"][name]
    mode = name.removeprefix("vllm_")
    noise, cosine = found.get("noise_ratio"), found.get("cosine_similarity")
    shown = "" if cosine is None else f" (cosine similarity {cosine:.6f})"
    if noise is None:
        yield f"How far the logits of {mode} mode are from the float32 reference was not measured{shown}."
    elif noise <= 2:
        yield f"The logits of {mode} mode agree with the float32 reference within the noise of the data type{shown}."
    else:
        yield f"The logits of {mode} mode differ from the float32 reference by {noise:.1f} times the noise{shown}."


def _repeats(data: Mapping[str, Any]) -> Iterator[str]:
    if data.get("reliance"):
        yield f"Answers at temperature 0: {data['reliance']}"
        return
    for row in data["determinism"]:
        if row["rung"] == "same_engine_again" and row["identical"] is not None:
            yield f"Asked again, the engine gives the same answer to {row['identical']} of {row['of']} prompts."


def _quality(data: Mapping[str, Any]) -> Iterator[str]:
    verdicts = [case["verdict"] for case in data["cases"]]
    passed, decided = verdicts.count("pass"), verdicts.count("pass") + verdicts.count("fail")
    limit = "its token limit" if verdicts.count("cut") == 1 else "their token limit"
    others = {"cut": f"cut at {limit}", "needs_review": "waiting for a person"}
    left = [f"{verdicts.count(key)} {words}" for key, words in others.items() if verdicts.count(key)]
    more = f" ({', '.join(left)})" if left else ""
    if decided:
        yield f"It passes {passed} of {decided} decided quality cases{more}."


@dataclass(frozen=True)
class Load:
    """Requests per second of one mode's server: the highest that keeps the SLO, the lowest above it that does not."""

    mode: str
    kept: float | None
    broken: float | None


def load_within_slo(data: Mapping[str, Any]) -> Load | None:
    """From all load points of the first mode; None where no point has an SLO."""
    points = [p for p in (*data["levels"], *data["rates"]) if p.get("slo_attainment") is not None]
    if not points:
        return None
    mode = points[0]["mode"]
    rates = [(p["request_throughput"], p["slo_attainment"] >= SLO_SHARE) for p in points if p["mode"] == mode]
    kept = max((rate for rate, keeps in rates if keeps), default=None)
    broken = min((rate for rate, keeps in rates if not keeps and (kept is None or rate > kept)), default=None)
    return Load(mode, kept, broken)


def _load(data: Mapping[str, Any]) -> Iterator[str]:
    found = load_within_slo(data)
    if found is None:
        return
    told = f"of requests to the {found.mode} server keep the SLO"
    if found.kept is None:
        yield f"At no measured load do 95 % {told}."
    elif found.broken is None:
        yield f"At every measured load, up to {found.kept:,.1f} requests per second, 95 % {told}."
    else:
        yield f"Up to {found.kept:,.1f} requests per second 95 % {told}; at {found.broken:,.1f} they no longer do."
