"""All gates of a report: each section's own, and what must hold between two sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from evalpress.params.schema import Params
from evalpress.sections.alignment.gates import gates as alignment
from evalpress.sections.benchmark.gates import gates as benchmark
from evalpress.sections.evidence.gates import gates as evidence
from evalpress.sections.gate import Gate, Status, gate
from evalpress.sections.quality.gates import gates as quality
from evalpress.sections.serving.gates import gates as serving
from evalpress.sections.setup.gates import gates as setup
from evalpress.sections.summary import contradictions
from evalpress.sections.summary.measured import Measured
from evalpress.sections.summary.results import SummarySection

_SECTIONS: dict[str, Callable[[Params, Any], Iterator[Gate]]] = {
    "setup": setup,
    "benchmark": benchmark,
    "serving": serving,
    "evidence": evidence,
    "alignment": alignment,
    "quality": quality,
}


def evaluate(params: Params, data: Measured) -> list[Gate]:
    """All gates of the sections that have results."""
    by_name: Mapping[str, Any] = {**data}
    found = [one for name, gates in _SECTIONS.items() if name in data for one in gates(params, by_name[name])]
    return [*found, *_same_numbers(data), *contradictions.gates(data)]


def of_the_run(sections: Mapping[str, SummarySection], origins: Mapping[str, Mapping[str, Any]]) -> Iterator[Gate]:
    """What must hold of the run as a whole: every section finished, is shown, and was measured in one environment.

    Args:
        sections: state by section.
        origins: `provenance` of each section that has results.
    """
    for name, state in sections.items():
        if state.status == "failed":
            yield gate(name, "section_done", "fail", f"not finished: {state.why}", "finished with results")
        if state.not_shown:
            yield gate(name, "presentation", "warn", state.not_shown, "every table and figure of the section is shown")
    yield from _one_environment(origins)


def _one_environment(origins: Mapping[str, Mapping[str, Any]]) -> Iterator[Gate]:
    """Sections measured with different versions or on different devices must not be in one report."""
    if len(origins) < 2:
        return
    allowed = "one set of versions and one device in all sections"
    silent = [name for name, origin in origins.items() if not isinstance(origin.get("engine"), dict)]
    if silent:
        told = f"not recorded in {', '.join(silent)}"
        yield gate("summary", "one_environment", "warn", told, allowed)
        return
    keys = {key for origin in origins.values() for key in origin["engine"]}
    seen = {key: _values(origins, key) for key in sorted(keys)}
    odd = [f"{key}: {' and '.join(told)}" for key, told in seen.items() if len(told) > 1]
    yield gate(
        "summary", "one_environment", "fail" if odd else "pass", "; ".join(odd) or "the same in all sections", allowed
    )


def _values(origins: Mapping[str, Mapping[str, Any]], key: str) -> list[str]:
    """Each value of an engine fact with the sections that recorded it."""
    names: dict[str, list[str]] = {}
    for name, origin in origins.items():
        names.setdefault(str(origin["engine"].get(key, "none")), []).append(name)
    return [f"{value} ({', '.join(who)})" for value, who in names.items()]


def _same_numbers(data: Measured) -> Iterator[Gate]:
    """The arg max at the last prompt position must be the first greedy token of the same prompt, engine by engine."""
    if "alignment" not in data or "evidence" not in data:
        return
    evidence_data = data["evidence"]
    plain = {case.id for case in evidence_data.cases if case.rendered_prompt == case.prompt}
    pairs = {
        f"{best.prompt_id} ({mode})": (best.token, answered[best.prompt_id])
        for mode, answered in evidence_data.first_tokens.items()
        for best in data["alignment"].last_tokens.get(f"vllm_{mode}", ())
        if best.prompt_id in plain and best.prompt_id in answered
    }
    wrong = [name for name, (best, first) in pairs.items() if best != first]
    if pairs:
        agreed = f"{len(pairs)} of {len(pairs)} prompts and engines agree"
        found = f"contradiction in {', '.join(wrong)}" if wrong else agreed
        status: Status = "fail" if wrong else "pass"
        allowed = "first greedy token = arg max of the logits"
        yield gate("evidence", "first_token_is_argmax", status, found, allowed)
