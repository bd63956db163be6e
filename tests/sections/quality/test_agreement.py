"""The rules against a person's verdicts on outputs of real models (tests/data/quality_corpus)."""

from __future__ import annotations

import pytest
from evalpress.core.paths import ROOT
from evalpress.sections.quality import agreement, sandbox
from evalpress.sections.quality.cases import CATEGORIES, load_cases
from evalpress.sections.quality.elsewhere import default_files

CORPUS = ROOT / "tests" / "data" / "quality_corpus"


@pytest.fixture(scope="module")
def judged():
    if sandbox.find() is None:
        pytest.skip("no sandbox on this host: code is left to a person")
    return agreement.judge(agreement.load(CORPUS), load_cases(default_files()))


def listed(judged, kind):
    wrong = [one for one in judged if getattr(one, kind)]
    return "\n".join(f"{one.one.model} {one.one.case}: {one.reason} | {one.one.output[:80]!r}" for one in wrong)


def test_the_corpus_is_large_and_says_why():
    labelled = agreement.load(CORPUS)
    assert all(one.why for one in labelled)
    assert {one.kind for one in labelled} == {"chat", "base"}
    assert len({(one.model, one.temperature, one.case, one.output) for one in labelled}) >= 200


@pytest.mark.parametrize("half", ["tuned", "held"])
def test_the_goal_is_held(judged, half):
    group = [one for one in judged if one.one.half == half]
    found = agreement.summarise(half, group)
    assert found.n >= 100
    assert found.false_pass <= 0.02 * found.n, listed(group, "false_pass")
    assert found.false_fail <= 0.04 * found.n, listed(group, "false_fail")


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_category_is_above_a_tenth(judged, category):
    group = [one for one in judged if one.category == category]
    found = agreement.summarise(category, group)
    assert found.false_pass <= 0.1 * found.n, listed(group, "false_pass")
    assert found.false_fail <= 0.1 * found.n, listed(group, "false_fail")


def test_most_outputs_are_decided_by_a_rule(judged):
    assert agreement.summarise("all", judged).undecided < 0.25 * len(judged)
