"""Verdicts of rules, and the numbers computed from them."""

from __future__ import annotations

import hashlib
import json

import pytest
from evalpress import engine, params
from evalpress.core import paths, results
from evalpress.core.errors import MeasurementError
from evalpress.sections.job import Job, read_results
from evalpress.sections.quality import judging, reviews
from evalpress.sections.quality import section as run
from evalpress.sections.quality import tables as show
from evalpress.sections.quality.checkers.text import Contains
from evalpress.sections.quality.gates import gates
from evalpress.sections.registry import by_name
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_samples import CASES, OUTPUTS, by_id, document, judged, results_of
from scipy.stats import binomtest


def test_judged_cases_have_the_keys_of_the_contract(cases):
    fact, sum_, poem, _ = judging.judge(cases, OUTPUTS, {}, "base")
    assert {"id", "category", "prompt", "output", "checker", "verdict", "reason"} <= fact.model_dump().keys()
    assert (fact.verdict, fact.decided_by, fact.checker) == ("pass", "rule", "contains")
    assert fact.checker_args == {"all": ["Paris"]}
    assert fact.rule == "{contains: {all: [Paris]}}"
    assert (fact.finish_reason, fact.latency_s) == ("stop", 0.5)
    assert fact.sha256 == hashlib.sha256(b" Paris").hexdigest()
    assert (sum_.verdict, sum_.reason) == ("fail", "first number: 5; expected 4")
    assert (poem.verdict, poem.decided_by) == ("needs_review", "nobody yet")


def test_section_data_can_be_stored(report):
    document = read_results(report / "mine" / "results" / "quality.json", "quality")
    assert document.data.sandbox.kind
    assert document.data.overall.n == 4


def test_a_case_without_output_is_an_error(cases):
    with pytest.raises(MeasurementError, match="case 'sum' has no output"):
        judging.judge(cases, {"fact": OUTPUTS["fact"]}, {}, "base")


def test_a_changed_checker_judges_stored_outputs_again(cases, tmp_path):
    """Only the rule changes: the requests stay equal, so the stored outputs serve, and the verdict follows the rule."""
    changed = tmp_path / "changed.yaml"
    changed.write_text(CASES.replace("{value: 4}", "{value: 5}"))
    again = judging.load_cases([str(changed)])
    assert judging.requests(again, "base") == judging.requests(cases, "base")
    assert by_id(judging.judge(again, OUTPUTS, {}, "base"))["sum"].verdict == "pass"
    changed.write_text(CASES.replace("2+2=", "2+3="))
    assert judging.requests(judging.load_cases([str(changed)]), "base") != judging.requests(cases, "base")


def test_rates_are_those_of_decided_cases(cases):
    tallies = judging.summarise(judging.judge(cases, OUTPUTS, {}, "base"))
    table = {name: row.model_dump(by_alias=True) for name, row in tallies.items()}
    assert list(table) == ["knowledge", "reasoning", "creative"]
    row = table["knowledge"]
    assert (row["n"], row["pass"], row["fail"], row["needs_review"], row["pass_rate"]) == (1, 1, 0, 0, 1.0)
    waiting = table["creative"]
    assert (waiting["n"], waiting["decided"], waiting["pass_rate"]) == (2, 0, None)
    assert waiting["pass_rate_why"] == waiting["ci_low_why"] == "no case is decided yet"
    json.dumps(table, allow_nan=False)
    results.check_values(table, "by_category")


@settings(max_examples=100, deadline=None)
@given(passed=st.integers(0, 40), failed=st.integers(0, 40), waiting=st.integers(0, 5))
def test_tally_against_scipy(passed, failed, waiting):
    verdicts = ["pass"] * passed + ["fail"] * failed + ["needs_review"] * waiting
    row = judging.tally([judged(str(at), verdict) for at, verdict in enumerate(verdicts)]).model_dump(by_alias=True)
    assert (row["n"], row["decided"]) == (len(verdicts), passed + failed)
    if passed + failed:
        interval = binomtest(passed, passed + failed).proportion_ci(0.95, method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((interval.low, interval.high), abs=1e-9)
        assert row["pass_rate"] == passed / (passed + failed)
        assert row["in_words"].startswith(f"{passed} of {passed + failed} decided cases pass, a ")
    else:
        assert row["pass_rate"] is None


@pytest.mark.engine
@pytest.mark.slow
def test_a_changed_checker_judges_again_and_the_model_is_not_asked(tmp_path, monkeypatch):
    """The real model answers once; then a rule changes, and an engine that must not be loaded ends the test."""
    path = tmp_path / "cases.yaml"
    asked = CASES.replace("France:", "The capital of France is")
    path.write_text(asked)
    demo = params.load("demo")
    quality = demo.quality.model_copy(
        update={"cases": (str(path),), "mode": "eager", "lm_eval": params.schema.LmEvalParams()}
    )
    job = Job(by_name("quality"), demo.model_copy(update={"quality": quality}), tmp_path, "auto")
    try:
        first = run.measure(job)
    finally:
        engine.release()
    monkeypatch.setattr(engine, "get", lambda *_: pytest.fail("the model was asked again"))
    output = by_id(first.cases)["fact"].output.strip()
    path.write_text(asked.replace("contains: {all: [Paris]}", "exact: {values: [nothing of the kind]}"))
    again = run.measure(job)
    assert (first.asked_now, again.asked_now) == (4, 0)
    assert by_id(again.cases)["fact"].output.strip() == output
    assert by_id(first.cases)["fact"].verdict == "pass"
    assert by_id(again.cases)["fact"].verdict == "fail"


def test_a_notebook_records_a_verdict_with_one_call(report, cases):
    job = Job(by_name("quality"), params.load("demo").model_copy(update={"set": "mine"}), report / "mine", "auto")
    run.decide(job, "poem", "pass", "Ada", "it rhymes")
    stored = reviews.load_reviews(reviews.path_of("mine"))
    assert by_id(judging.judge(cases, OUTPUTS, stored, "base"))["poem"].decided_by == "Ada"


def test_the_sandbox_is_named_or_why_there_is_none():
    named = {"kind": "bubblewrap"}
    assert show.sandbox(document(results_of([], sandbox=named))).source.endswith("`bubblewrap`.")
    none = {"kind": None, "kind_why": "no sandbox holds on this host"}
    assert show.sandbox(document(results_of([], sandbox=none))).source.endswith("no sandbox holds on this host.")


CUT = """\
cases:
  - {id: fact, category: knowledge, language: en, prompt: "France?", checker: {answer: {contains: {all: [Paris]}}}}
  - id: short
    category: knowledge
    language: en
    prompt: "In a word:"
    kind: base
    chat: {max_tokens: 32}
    sampling: {max_tokens: 4, stop: ["\\n"]}
    checker: {length: {max: 10}}
"""


@pytest.mark.parametrize(
    ("name", "output", "reason", "kind", "verdict"),
    [
        ("fact", "The capital is", "length", "chat", "cut"),
        ("fact", "The capital is", "stop", "chat", "fail"),
        ("fact", "The capital is Paris, and", "length", "chat", "pass"),
        ("fact", "<think>Paris? It is", "length", "chat", "cut"),
        ("fact", "<think>Paris or Rome?</think>Rome.", "stop", "chat", "fail"),
        ("fact", "Rome.\nQuestion: what", "length", "base", "fail"),
        ("fact", "Rome", "length", "base", "cut"),
        ("short", "Paris", "length", "chat", "cut"),
        ("short", "Paris or Lyon", "length", "chat", "fail"),
    ],
)
def test_an_output_that_reached_its_limit_is_cut_unless_its_rule_is_decided(
    tmp_path, name, output, reason, kind, verdict
):
    path = tmp_path / "cases.yaml"
    path.write_text(CUT)
    case = by_id(judging.load_cases([str(path)]))[name]
    assert judging.verdict(case, output, reason, kind).verdict == verdict


def test_a_chat_model_is_asked_with_generous_limits_and_without_stop_strings(tmp_path):
    path = tmp_path / "cases.yaml"
    path.write_text(CUT)
    fact, short = judging.load_cases([str(path)])
    assert fact.sampling_for("chat").model_dump() == {"max_tokens": 512, "temperature": 0.0, "stop": []}
    assert short.sampling_for("chat").model_dump() == {"max_tokens": 32, "temperature": 0.0, "stop": []}
    assert short.sampling_for("base").model_dump() == {"max_tokens": 4, "temperature": 0.0, "stop": ["\n"]}


def test_cut_cases_are_counted_gated_and_named():
    cases = [judged(str(at), "pass") for at in range(18)] + [judged("long", "cut"), judged("long2", "cut")]
    data = results_of(cases)
    assert (data.overall.n, data.overall.cut, data.overall.decided) == (20, 2, 18)
    assert data.overall.in_words.endswith("2 cut at the limit of their length")
    found = {gate.id: gate for gate in gates(params.load("demo"), data)}
    assert (found["answers_cut"].status, found["answers_cut"].found) == ("warn", 2)
    one = results_of([*cases[:19], judged("other", "pass")])
    assert {gate.id: gate.status for gate in gates(params.load("demo"), one)}["answers_cut"] == "pass"
    assert show.cases(document(data)).rows[0][1] == "long"
    assert found["answers_cut"].allowed.endswith("undecided at their limit, which 0 reached")
    reached = results_of([judged("a", "fail", finish_reason="length"), judged("b", "cut", finish_reason="length")])
    allowed = {gate.id: gate.allowed for gate in gates(params.load("demo"), reached)}["answers_cut"]
    assert allowed == "at most 5% of 2 answers undecided at their limit, which 2 reached"
    heads = [column.head for column in show.categories(document(data)).heads]
    assert show.categories(document(data)).rows[-1][heads.index("cut as failed")] == 0.9
    whole = show.categories(document(results_of([judged("a", "pass")])))
    assert "cut as failed" not in [column.head for column in whole.heads]


def test_a_rule_that_raises_is_an_error_and_no_matter_for_a_reviewer(cases, monkeypatch, caplog):
    def broken(self, output):
        raise KeyError("inside the rule")

    monkeypatch.setattr(Contains, "check", broken)
    found = by_id(judging.judge(cases, OUTPUTS, {}, "base"))["fact"]
    assert (found.verdict, found.rule_verdict) == (None, None)
    assert "raised KeyError" in found.verdict_why
    assert "Traceback" in caplog.text
    assert reviews.pending([found]) == []
    data = results_of([found])
    assert (data.overall.errors, data.overall.decided) == (1, 0)
    assert {gate.id: gate.status for gate in gates(params.load("demo"), data)}["rules_failed"] == "fail"
    assert "error" in show.cases(document(data)).markdown()


def test_published_results_are_read_with_the_types():
    document = read_results(paths.ROOT / "tests/data/report-0.1.0/results/quality.json", "quality")
    assert document.data.overall.n == len(document.data.cases) == 65
    written = json.loads((paths.ROOT / "tests/data/report-0.1.0/results/quality.json").read_text())["data"]
    again = document.data.model_dump(mode="json", by_alias=True)
    assert set(written) <= set(again)
    assert set(written["cases"][0]) <= set(again["cases"][0])


PIECES = st.sampled_from(
    ["\0", "\ud800", "\udfff", "\x1b[31m", "\u2028", "\u202e", "<b>", "|", "`", "\r", "é", "中", "\ufeff"]
)


@settings(max_examples=60, deadline=None)
@given(output=st.one_of(st.text(st.characters(), max_size=80), st.lists(PIECES, max_size=20).map("".join)))
def test_any_output_of_a_model_can_be_stored_shown_and_read_back(tmp_path_factory, output):
    folder = tmp_path_factory.mktemp("any")
    (folder / "cases.yaml").write_text(CASES)
    cases = judging.load_cases([str(folder / "cases.yaml")])
    said = {case.id: {"output": output, "rendered_prompt": output, "finish_reason": "stop"} for case in cases}
    data = results_of(judging.judge(cases, said, {}, "chat"))
    results.write(folder / "quality.json", "quality", data, {}, {})
    back = read_results(folder / "quality.json", "quality")
    assert back.data == data
    for table in (show.cases(back), show.pending(back)):
        (table.html() + table.markdown()).encode()


def test_a_line_of_a_megabyte_is_stored_and_left_to_a_person(tmp_path, cases):
    said = {case.id: {"output": "x" * 1_000_000} for case in cases}
    data = results_of(judging.judge(cases, said, {}, "chat"))
    results.write(tmp_path / "quality.json", "quality", data, {}, {})
    back = read_results(tmp_path / "quality.json", "quality")
    assert back.data.overall.needs_review == len(cases)
    assert show.cases(back).html()
