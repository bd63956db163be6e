"""Invented results of the quality section, for tests that need no model."""

from __future__ import annotations

from typing import Any

from evalpress.core.results import Document
from evalpress.sections.quality import judging
from evalpress.sections.quality.results import JudgedCase, Results


def judged(name: str, verdict: str | None, rule: str = "{contains: {all: [x]}}", **more: Any) -> JudgedCase:
    """One judged case."""
    why = {} if verdict else {"verdict_why": "the rule raised", "rule_verdict_why": "the rule raised"}
    return JudgedCase.model_validate(
        {
            "id": name,
            "category": "knowledge",
            "language": "en",
            "prompt": f"{name}?",
            "sampling": {"max_tokens": 8, "temperature": 0.0, "stop": []},
            "output": "x",
            "sha256": "0" * 64,
            "checker": "contains",
            "checker_args": {"all": ["x"]},
            "rule": rule,
            "source": "cases.yaml:1",
            "rule_verdict": verdict,
            "verdict": verdict,
            "reason": "because",
            "decided_by": "rule",
        }
        | why
        | more
    )


def results_of(cases: list[JudgedCase], **changes: Any) -> Results:
    """A whole section with these cases."""
    return Results.model_validate(
        {
            "cases": cases,
            "by_category": judging.summarise(cases),
            "overall": judging.tally(cases),
            "sandbox": {"kind": "bubblewrap"},
            "base_model": True,
            "base_model_how": "stated",
            "chat_template": None,
            "chat_template_why": "a base model",
            "standard_tasks": None,
            "standard_tasks_why": "none wanted",
            "comparison": None,
            "comparison_why": "none wanted",
            "mode": "eager",
            "asked_now": len(cases),
            "kept_answers": 0,
        }
        | changes
    )


def document(data: Results) -> Document[Results]:
    """The results as they are read from a file."""
    return Document[Results](
        schema_="evalpress/quality/1", created="2026-11-25T00:00:00Z", provenance={}, params={}, data=data
    )


OUTPUTS = {
    "fact": {"output": " Paris", "finish_reason": "stop", "latency_s": 0.5},
    "sum": {"output": " 5", "finish_reason": "stop"},
    "poem": {"output": "Roses are red"},
    "song": {"output": "La la"},
}


def by_id(judged):
    return {case.id: case for case in judged}


CASES = """\
cases:
  - {id: fact, category: knowledge, language: en, prompt: "France:", checker: {contains: {all: [Paris]}}}
  - {id: sum, category: reasoning, language: en, prompt: "2+2=", checker: {number: {value: 4}}}
  - {id: poem, category: creative, language: en, prompt: "A poem:", checker: {review: {look_at: "is it a poem?"}}}
  - {id: song, category: creative, language: en, prompt: "A song:", checker: {review: {look_at: "is it a song?"}}}
"""
