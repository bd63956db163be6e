"""A whole report within `run.budget_minutes`: every section does less, and says what it left out."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from evalpress import cli, params
from evalpress.core.paths import ROOT
from evalpress.display.tables import Prose
from evalpress.params.schema import Params
from evalpress.run import estimate, pipeline
from evalpress.sections import budget, pilot
from evalpress.sections.alignment import budget as alignment
from evalpress.sections.job import Job
from evalpress.sections.registry import EXECUTION, by_name, parameters_read
from evalpress.sections.summary import section as summary
from evalpress.sections.summary import tables
from evalpress.sections.summary.results import Summary
from hypothesis import given
from hypothesis import strategies as st

SPEED = pilot.Speed(weight_bytes=1e9, active_parameters=5e8, layers=24, bytes_s=1e10, flop_s=1e11)
MEASURED = ("benchmark", "alignment", "quality", "serving", "evidence")


def set_of(minutes: float | None, name: str = "smollm2-135m") -> Params:
    return params.load(name, {"run.budget_minutes": minutes})


def needed_s(asked: Params) -> float:
    return sum(pilot.section_s(section.name, asked, SPEED) for section in EXECUTION)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(pilot, "speed", lambda _: SPEED)


@pytest.fixture(scope="module")
def made_summary():
    """The published demo's summary."""
    return json.loads((ROOT / "reports/published/demo/summary.json").read_text())


def stored(folder, section, seconds, budget=None):
    """A results file of a section that took so long, as far as the budget reads it."""
    path = folder / "results" / f"{section}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    origin = {"start": "2026-01-01T00:00:00Z", "end": f"2026-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}Z"}
    path.write_text(json.dumps({"provenance": origin | ({"budget": budget} if budget else {})}))


@pytest.mark.usefixtures("known")
def test_enough_minutes_leave_nothing_out_and_fewer_leave_out_less_the_more_there_are(tmp_path):
    whole = needed_s(set_of(None)) / 60
    enough = budget.plans(set_of(1.01 * whole), EXECUTION, tmp_path)
    assert {plan.left_out for plan in enough.values()} == {()}
    assert enough["serving"].params.serving == set_of(None).serving
    for share in (0.5, 0.7, 0.9):
        fitted = budget.plans(set_of(share * whole), EXECUTION, tmp_path)
        total = sum(plan.estimate_s for plan in fitted.values())
        around = budget.SHOWN_S * (len(EXECUTION) + 2)  # tables and figures, the start and the end
        assert 0.8 * share * 60 * whole < total + around <= share * 60 * whole
        assert all(fitted[name].left_out for name in MEASURED if share < 0.9)


@given(st.sampled_from(params.available_sets()), st.floats(0, 1.5))
def test_whatever_the_factor_the_parameters_stay_valid_and_nothing_grows(name, factor):
    asked = params.load(name)
    less, words = budget.scaled(asked, factor)
    assert Params.model_validate(less.model_dump()).model_dump() == less.model_dump()
    assert set(words) == set(MEASURED)
    for section in MEASURED:
        before, after = (pilot.section_s(section, one, SPEED) for one in (asked, less))
        assert after <= before
        assert (getattr(less, section) == getattr(asked, section)) == (not words[section])


def test_texts_of_a_saved_reference_keep_their_length():
    asked = params.load("demo").alignment
    saved = asked.model_copy(update={"reference_logits": "reference.safetensors"})
    found = [alignment.scaled(one, 0.1)[0] for one in (asked, saved)]
    assert found[0].max_position < found[1].max_position == asked.max_position
    assert found[1].vllm_positions == found[0].vllm_positions < asked.vllm_positions


@pytest.mark.usefixtures("known")
def test_a_section_that_took_longer_leaves_less_to_those_after_it(tmp_path):
    asked = set_of(0.6 * needed_s(set_of(None)) / 60)
    as_estimated = budget.plan(asked, by_name("benchmark"), tmp_path)
    stored(tmp_path, "benchmark", int(as_estimated.pilot_s), as_estimated.record())
    expected = budget.plan(asked, by_name("alignment"), tmp_path)
    stored(tmp_path, "benchmark", int(2 * as_estimated.pilot_s), as_estimated.record())
    later = budget.plan(asked, by_name("alignment"), tmp_path)
    assert later.params.alignment.max_position < expected.params.alignment.max_position
    assert later.estimate_s / later.pilot_s == pytest.approx(2, rel=0.05)  # the host is slower than its pilot says


@pytest.mark.usefixtures("known")
def test_starts_take_as_long_as_the_setup_section_says(tmp_path):
    asked = set_of(10_000.0)
    usual = budget.plan(asked, by_name("benchmark"), tmp_path).pilot_s
    found = {}
    for times in (0.5, 2, 200):
        stored(tmp_path, "setup", int(times * pilot.SETUP_S), {})
        found[times] = budget.plan(asked, by_name("benchmark"), tmp_path).pilot_s
    assert found[0.5] < usual < found[2] < found[200] < 20 * usual  # within limits, however long it took


def test_without_an_estimate_everything_is_measured_and_the_reason_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(pilot, "speed", lambda _: None)
    found = budget.plan(set_of(1.0), by_name("serving"), tmp_path)
    assert found.params.serving == set_of(None).serving and "cannot be estimated" in found.record()["why"]


@pytest.mark.usefixtures("known")
def test_a_job_measures_what_fits_and_its_results_say_what_was_left_out(tmp_path, monkeypatch):
    asked = set_of(1.0, "demo")
    seen: list[Job] = []
    written: list[dict] = []
    job = Job(by_name("evidence"), asked, tmp_path / "demo", "always")
    monkeypatch.setattr(Job, "_written", lambda self, data, found, start, more: written.append(more) or data)
    job.run(lambda given: seen.append(given) or "results")
    assert seen[0].params.evidence.check_tokens < asked.evidence.check_tokens and seen[0].left_out
    assert job.params.evidence == asked.evidence and parameters_read(job.section, asked)["run.budget_minutes"] == 1.0
    assert written[0]["budget"]["left_out"] == list(seen[0].left_out)
    whole = replace(job, params=params.load("demo"))
    whole.run(lambda given: seen.append(given) or "results")
    assert seen[1].params == whole.params and "budget" not in written[1]


def test_the_summary_says_that_it_was_shortened_and_lists_what_each_section_left_out(made_summary):
    shortened = {
        "minutes": 5.0,
        "left_out": {"serving": ["1 of 2 blocks"], "quality": []},
        "why": {"quality": "no pilot"},
    }
    short = Summary.model_validate(made_summary | {"shortened": shortened})
    shown = tables.left_out(short).markdown()
    assert "1 of 2 blocks" in shown and "no pilot" in shown and "run.budget_minutes is 5" in shown
    assert "to keep to 5 minutes: [what was left out](#summary-sections)." in tables.about(short).source
    whole = Summary.model_validate(made_summary)
    assert tables.left_out(whole) == Prose("") and "to keep to" not in tables.about(whole).source


def test_a_budget_that_somebody_edited_out_of_the_provenance_ends_no_summary():
    def document(budget):
        return SimpleNamespace(provenance={"budget": budget})

    found = summary._shortened({"serving": document({"minutes": 5.0, "left_out": ["1 of 2 blocks"]})})
    assert found.left_out == {"serving": ("1 of 2 blocks",)} and found.why == {}
    assert summary._shortened({"serving": document({}), "quality": document("?"), "setup": document(None)}) is None


@pytest.mark.usefixtures("known")
def test_dry_run_counts_the_budget_and_says_where_it_cannot_be_kept(tmp_path, capsys):
    told = ["report", "--set", "demo", "--reports-dir", str(tmp_path), "--dry-run"]
    rows = estimate.rows(pipeline.prepare("demo", str(tmp_path), force=False, overrides={"run.budget_minutes": 4.0}))
    whole = estimate.rows(pipeline.prepare("demo", str(tmp_path), force=False, overrides={}))
    assert estimate.total_s(rows) < estimate.total_s(whole) and any(row.left_out for row in rows)
    assert cli.main([*told, "--param", "run.budget_minutes=0.1"]) == 0
    shown = capsys.readouterr().out
    assert "left out for run.budget_minutes: " in shown and "no section can be made shorter" in shown
    assert cli.main(told) == 0 and "left out" not in capsys.readouterr().out
