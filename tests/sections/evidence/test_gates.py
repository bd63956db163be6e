"""Gates and the sentence of what to rely on: identical, explained, unexplained, not measured."""

from __future__ import annotations

import json

import pytest
from evalpress import params
from evalpress.core.paths import ROOT
from evalpress.core.results import check_values
from evalpress.sections.evidence import gates, reliance, tables
from evalpress.sections.evidence.results import Check, Results
from evalpress.sections.job import read_results

DEMO = params.load("demo")
NULLS = ("tokens", "rate_upper_95", "unique_outputs", "logprobs_identical", "logprobs_of")


def check(rung="batch_of_all", identical=10, of=10, explained=0, unexplained=0, **more) -> Check:
    """A check of ten prompts."""
    nulls = dict.fromkeys(NULLS) | {f"{key}_why": "made up" for key in NULLS}
    verdicts = {"explained": explained, "unexplained": unexplained}
    verdicts |= {f"{key}_why": "no reference" for key, value in verdicts.items() if value is None}
    none = {"first_divergence": None, "first_divergence_why": "made up"}
    if identical is None:
        none |= {"identical_why": "no server"}
    return Check(rung=rung, changed="c", holds_with={}, identical=identical, of=of, **nulls, **verdicts, **none, **more)


def status(*checks, gate="batch_of_all", abnormal=None, **changed):
    demo = DEMO.model_copy(update={"gates": DEMO.gates.model_copy(update=changed)})
    data = Results.model_construct(determinism=checks, abnormal=abnormal)
    return {g.id: g.status for g in gates.gates(demo, data)}.get(gate)


def test_a_difference_is_judged_by_its_explanation():
    assert status(check()) == "pass"
    assert status(check(identical=5, explained=5)) == "pass"
    assert status(check(identical=5, explained=4, unexplained=1)) == "fail"
    assert status(check(identical=5, explained=None, unexplained=None)) == "warn"
    assert status(check(identical=None)) is None


def test_the_same_engine_asked_again_is_held_to_identical_where_the_set_says_so():
    again = check("same_engine_again", identical=9, explained=1)
    assert status(again, gate="repeats_identical") == "fail"
    assert status(again, gate="repeats_identical", evidence_repeats_identical=False) == "pass"
    assert status(check("same_engine_again"), gate="repeats_identical") == "pass"


def alarms(*rows):
    from evalpress.sections.evidence.results import AbnormalOutputs, Alarm

    made = tuple(
        Alarm(
            case="x",
            kind=kind,
            start=0,
            end=1,
            found="f",
            habit=habit,
            habit_why="no reference" if habit is None else None,
        )
        for kind, habit in rows
    )
    return (AbnormalOutputs(mode="eager", outputs=1, tokens=1, alarms=made, worst_rank=1),)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ((), "pass"),
        ((("repetition_loop", True),), "pass"),
        ((("repetition_loop", False),), "warn"),
        ((("token_rank", False),), "fail"),
        ((("script_burst", None),), "warn"),
    ],
)
def test_signs_that_the_reference_shares_are_habits(rows, wanted):
    assert status(gate="abnormal_outputs", abnormal=alarms(*rows)) == wanted


def test_the_sentence_says_what_holds_what_changes_and_what_was_not_measured():
    said = reliance.sentence(
        [
            check("same_engine_again"),
            check("offline_against_server"),
            check("batch_of_all", identical=5, explained=5),
            check("compiled_against_eager", identical=8, explained=1, unexplained=1),
            check("prefix_cache", identical=None),
        ]
    )
    assert said == (
        "Identical when asked again and over HTTP; batching changes 5 of 10 answers, each at a near tie; the other "
        "mode changes 2 of 10 answers, 1 of them beyond what rounding explains; not measured: the prefix cache."
    )


def test_the_published_report_is_read_and_shown():
    path = ROOT / "tests" / "data" / "report-0.1.0" / "results" / "evidence.json"
    old = json.loads(path.read_text(encoding="utf-8"))
    document = read_results(path, "evidence")
    tokens = [tuple(case["output_token_ids"]) for case in old["data"]["cases"]]
    assert [case.output_token_ids for case in document.data.cases] == tokens
    dumped = document.model_dump(mode="json", by_alias=True)["data"]
    check_values(dumped, "evidence")
    for row, was in zip(dumped["determinism"], old["data"]["determinism"], strict=True):
        assert {key: row[key] for key in was} == was
    for show in (tables.note, tables.cases, tables.checks, tables.differences, tables.settings, tables.abnormal):
        assert show(document)
