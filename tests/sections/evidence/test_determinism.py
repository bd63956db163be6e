"""All determinism checks on one real engine, one of them with a wrong token planted."""

from __future__ import annotations

import contextlib

import pytest
from evalpress import engine, params
from evalpress.core import results
from evalpress.sections.evidence import checks, determinism, reliance, tables
from evalpress.sections.evidence.comparing import Answer, Found
from evalpress.sections.evidence.reading import Reader
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name

pytestmark = [pytest.mark.slow, pytest.mark.engine]


def job_of(tmp_path, **evidence) -> Job:
    demo = params.load("demo")
    changed = demo.model_copy(
        update={
            "engine": demo.engine.model_copy(update={"modes": ("eager",)}),
            "evidence": demo.evidence.model_copy(update={"mode": "eager", **evidence}),
        }
    )
    return Job(by_name("evidence"), changed, tmp_path, "always")


def test_the_checks_on_one_engine_and_a_planted_difference(tmp_path, monkeypatch):
    job = job_of(tmp_path, check_tokens=16, repeats=2)
    stack = contextlib.ExitStack()
    try:
        loaded = engine.get(job.params, "eager")
        asked = {"france": loaded.tokenize("The capital of France is"), "water": loaded.tokenize("The chemical symbol")}
        reader = stack.enter_context(Reader(job.params))
        tried = checks.Checks(job, asked, reader)
        right = tried.batch()
        odd = next(t for t in range(2000, 2040) if t not in tried.first["france"].token_ids)
        wrong = {n: Answer((*a.token_ids[:1], odd, *a.token_ids[2:]), a.scores) for n, a in right.runs[0].items()}
        planted = Found([wrong], right.baseline, right.against, right.asked)
        monkeypatch.setattr(tried, "batch", lambda: planted)
        text = loaded.tokenizer.decode
        outcome = determinism.run(tried, lambda token: str(text([token])))
    finally:
        stack.close()
        engine.release()
    row = {check.rung: check for check in outcome.rows}
    results.check_values([check.model_dump(mode="json") for check in outcome.rows], "determinism")
    for name in ("same_engine_again", "shuffled_batch", "seeded_sampling", "new_engine", "prefix_cache"):
        check = row[name]
        assert (check.identical or 0) + (check.explained or 0) == check.of == 2, (name, check)
        assert check.tokens >= 16
        assert check.logprobs_of
    assert row["same_engine_again"].identical_bytes == 2
    assert row["same_engine_again"].unique_outputs == {"france": 1, "water": 1}
    assert row["prefix_cache"].cached_tokens > 0
    for name, why in (("offline_against_server", "has no results"), ("compiled_against_eager", "one mode only")):
        assert row[name].identical is None
        assert why in row[name].identical_why
    found = row["batch_of_all"]
    assert (found.unexplained, found.first_divergence.case, found.first_divergence.position) == (2, "france", 1)
    assert found.first_divergence.other_token == odd
    assert found.first_divergence.shortfall > 2 * found.first_divergence.noise_max_abs_err > 0
    assert "batching changes 2 of 2 answers, 2 of them beyond" in reliance.sentence(outcome.rows)
    ranks = outcome.readings.ranks["eager", "france"]
    assert len(ranks) == len(tried.first["france"].token_ids)
    assert max(ranks) <= 3
    document = results.Document.model_construct(data=_Data(outcome.rows))
    page = tables.checks(document).markdown() + tables.differences(document).markdown()
    assert "unexplained" in page
    assert "one mode only" in page


class _Data:
    """As much of the section's results as the tables of checks read."""

    def __init__(self, rows):
        self.determinism = rows
