"""Standard tasks through lm-evaluation-harness, published scores beside them, and two runs paired."""

from __future__ import annotations

import json

import numpy as np
import pytest
from evalpress import engine, params
from evalpress.core import results
from evalpress.core.errors import UserError
from evalpress.core.paths import resolve
from evalpress.engine import harness
from evalpress.sections.job import Job
from evalpress.sections.quality import paired, standard
from evalpress.sections.quality import tables as show
from evalpress.sections.quality.references import load_references
from evalpress.sections.registry import by_name
from quality_samples import document, judged, results_of
from scipy.stats import binomtest


@pytest.fixture(scope="module")
def demo():
    return params.load("demo")


def job_of(folder, chosen):
    return Job(by_name("quality"), chosen, folder, "auto")


def with_quality(demo, **changes):
    return demo.model_copy(update={"quality": demo.quality.model_copy(update=changes)})


@pytest.mark.engine
@pytest.mark.slow
def test_the_harness_accuracy_is_ours_for_the_same_items(demo, tmp_path):
    """The harness runs for real; then each choice's probability is computed from raw logits, without its code."""
    pytest.importorskip("lm_eval", reason=harness.INSTALL)
    try:
        found, _ = standard.measure(job_of(tmp_path, demo), "digest")
        items = [json.loads(line) for line in resolve("params/lm_eval/demo_facts.jsonl").read_text().splitlines()]
        loaded = engine.get(demo, "eager")
        right = [_most_probable(loaded, item) == item["answer"] for item in items]
    finally:
        engine.release()
    (row,) = [row for row in found.rows if row.metric == "acc"]
    assert row.n == len(items) == row.ours_n
    assert row.value == pytest.approx(sum(right) / len(right))
    assert row.ours == pytest.approx(row.value)
    assert 0 < row.value < 1
    share = row.value
    assert row.stderr == pytest.approx(np.sqrt(share * (1 - share) / (row.n - 1)))
    results.check_values(found.model_dump(mode="json"), "standard_tasks")
    # Nothing is asked again: neither harness nor engine is there any more for the second call.
    again, _ = standard.measure(job_of(tmp_path, demo), "digest")
    assert again == found
    kept = json.loads((tmp_path / "results" / "raw" / "quality-lm_eval.json").read_text())
    assert list(paired.outcomes(kept)["evalpress_facts"].values()) == right
    page = show.standard_tasks(document(results_of([], standard_tasks=found))).markdown()
    assert "evalpress_facts" in page
    assert "✓" in page


def _most_probable(loaded, item):
    """The choice with the highest log-probability, from raw full-vocabulary logits in float64."""
    found = []
    for choice in item["choices"]:
        before = loaded.tokenize(item["question"])
        whole = loaded.tokenize(f"{item['question']} {choice}")
        assert whole[: len(before)] == before
        at = list(range(len(before) - 1, len(whole) - 1))
        logits = loaded.logits(whole, at).astype(np.float64)
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        found.append(sum(logs[i, whole[position + 1]] for i, position in enumerate(at)))
    return int(np.argmax(found))


@pytest.mark.engine
@pytest.mark.slow
def test_a_task_that_does_not_exist_is_a_reason_not_a_crash(demo, tmp_path):
    pytest.importorskip("lm_eval", reason=harness.INSTALL)
    changed = demo.quality.lm_eval.model_copy(update={"tasks": ("no_such_task",)})
    try:
        found, why = standard.measure(job_of(tmp_path, with_quality(demo, lm_eval=changed)), "digest")
    finally:
        engine.release()
    assert found is None
    assert "lm-evaluation-harness: " in why
    assert "no_such_task" in why


def test_without_the_harness_the_report_says_so_and_how_to_install_it(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "version", lambda: None)
    found, why = standard.measure(job_of(tmp_path, demo), "digest")
    assert found is None
    shown = show.standard_tasks(document(results_of([], standard_tasks_why=why))).source
    assert "not installed" in shown
    assert "pip install" in shown


def test_without_tasks_the_report_says_so(demo, tmp_path):
    none = with_quality(demo, lm_eval=params.schema.LmEvalParams())
    assert "names no standard task" in standard.measure(job_of(tmp_path, none), "digest")[1]


def test_published_scores_are_shown_as_claims_with_their_source(demo):
    known = load_references("params/lm_eval/references.yaml")
    assert all(0 < one.score < 1 and "2407.10671" in one.source for one in known)
    assert standard.references_of(demo) == []
    kept = {
        "mode": "eager",
        "harness": "0.4.13",
        "ours": {},
        "result": {
            "results": {"mmlu": {"alias": "mmlu", "acc,none": 0.44, "acc_stderr,none": 0.004}},
            "n-samples": {"mmlu": {"effective": 14042}},
        },
    }
    found = standard.report(kept, known)
    (row,) = found.rows
    assert (row.value, row.stderr) == (0.44, 0.004)
    assert [one.score for one in row.published] == [0.454]
    results.check_values(found.model_dump(mode="json"), "standard_tasks")
    page = show.standard_tasks(document(results_of([], standard_tasks=found))).markdown()
    assert "45.4 % (5-shot; Qwen2 Technical Report" in page
    assert "claims" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source: s\nscores:\n  - {model: m, task: t, metric: acc, score: 45.4, n_shot: 5}\n", ":3: scores.0.score: "),
        ("source: s\nscores:\n  - {model: m, task: t, metrc: acc, score: 0.4, n_shot: 5}\n", ":3: scores.0.metrc: "),
        ("scores:\n  - {model: m, task: t, metric: acc, score: 0.4, n_shot: 5}\n", "source: missing, it must be given"),
    ],
)
def test_mistakes_in_published_scores_are_named_with_their_line(tmp_path, text, message):
    path = tmp_path / "references.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_references(str(path))
    assert message in str(caught.value)


def test_two_runs_are_paired_case_by_case(tmp_path):
    ours = [judged(f"c{i}", "pass") for i in range(8)] + [judged("both-wrong", "fail"), judged("waits", "needs_review")]
    theirs = [judged(f"c{i}", "fail" if i < 6 else "pass") for i in range(8)]
    theirs += [judged("both-wrong", "fail"), judged("waits", "pass"), judged("other-rule", "pass")]
    path = tmp_path / "other" / "results" / "quality.json"
    results.write(path, "quality", results_of(theirs), {"model": {"path": "m"}}, {})
    raw = {
        "result": {
            "samples": {"t": [{"doc_id": 0, "doc_hash": "a", "acc": 1.0}, {"doc_id": 1, "doc_hash": "b", "acc": 0.0}]}
        }
    }
    results.write_json(path.parent / "raw" / "quality-lm_eval.json", raw)
    found = paired.compare(ours, {"t": {"0-a": False, "1-b": False, "2-c": True}}, str(path))
    results.check_values(found.model_dump(mode="json"), "comparison")
    cases, task = found.rows
    assert (cases.n, cases.both, cases.only_this, cases.only_other, cases.neither) == (9, 2, 6, 0, 1)
    assert cases.p_value == pytest.approx(binomtest(0, 6).pvalue)
    assert cases.changed.only_this == [f"c{i}" for i in range(6)]
    assert (task.what, task.n, task.left_out, task.only_other) == ("task t", 2, 1, 1)
    page = show.comparison(document(results_of([], comparison=found))).markdown()
    assert "0.03125" in page
    assert "McNemar" in page


def test_cases_asked_or_judged_otherwise_are_not_paired(tmp_path):
    path = tmp_path / "other" / "results" / "quality.json"
    theirs = results_of([judged("a", "pass", rule="{exact: {values: [y]}}")])
    results.write(path, "quality", theirs, {}, {})
    (row,) = paired.compare([judged("a", "fail")], None, str(path)).rows
    assert row.n == 0
    assert row.p_value is None


def test_files_of_standard_tasks_and_the_other_report_are_read_by_the_section(demo):
    files = {name for key, name in params.referenced_files(with_quality(demo, compare_with="x.json"))}
    assert {"params/lm_eval/demo_facts.jsonl", "params/lm_eval/references.yaml", "x.json"} <= files
