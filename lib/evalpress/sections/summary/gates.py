"""All gates of a report: each section's own, and what must hold between two sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from evalpress.params.schema import Params
from evalpress.sections.alignment.gates import gates as alignment
from evalpress.sections.benchmark.gates import gates as benchmark
from evalpress.sections.evidence.gates import gates as evidence
from evalpress.sections.gate import Gate, gate
from evalpress.sections.quality.gates import gates as quality
from evalpress.sections.serving.gates import gates as serving
from evalpress.sections.setup.gates import gates as setup

Data = dict[str, Any]
"""Section name -> its results' `data`."""
_SECTIONS: dict[str, Callable[[Params, Any], Iterator[Gate]]] = {
    "setup": setup,
    "benchmark": benchmark,
    "serving": serving,
    "evidence": evidence,
    "alignment": alignment,
    "quality": quality,
}


def evaluate(params: Params, data: Data) -> list[Gate]:
    """All gates of the sections that have results."""
    found = [one for section, gates in _SECTIONS.items() if section in data for one in gates(params, data[section])]
    return [*found, *_same_numbers(data)]


def _same_numbers(data: Data) -> Iterator[Gate]:
    """The arg max at the last prompt position must be the first greedy token of the same prompt, engine by engine."""
    if "alignment" not in data or "evidence" not in data:
        return
    plain = {c["id"] for c in data["evidence"]["cases"] if c["rendered_prompt"] == c["prompt"]}
    pairs = {
        f"{item['prompt_id']} ({mode})": (item["token"], answered[item["prompt_id"]])
        for mode, answered in data["evidence"]["first_tokens"].items()
        for item in data["alignment"]["last_tokens"].get(f"vllm_{mode}", [])
        if item["prompt_id"] in plain and item["prompt_id"] in answered
    }
    wrong = [name for name, (best, first) in pairs.items() if best != first]
    if pairs:
        agreed = f"{len(pairs)} of {len(pairs)} prompts and engines agree"
        found = f"contradiction in {', '.join(wrong)}" if wrong else agreed
        status, allowed = "fail" if wrong else "pass", "first greedy token = arg max of the logits"
        yield gate("evidence", "first_token_is_argmax", status, found, allowed)
