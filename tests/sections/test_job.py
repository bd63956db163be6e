"""One section's work: measured unless current, one at a time, completely or not at all; reasons for staleness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from evalpress import params
from evalpress.core import lock
from evalpress.core.errors import UserError
from evalpress.platforms import provenance
from evalpress.sections import backup, job
from evalpress.sections.job import Job
from evalpress.sections.outlook import Steps, outlook
from evalpress.sections.registry import by_name


@pytest.fixture
def measuring(tmp_path, monkeypatch):
    """A quality job with made-up results, opened by hand."""
    monkeypatch.setattr(job, "results_model", lambda section: dict)
    monkeypatch.delenv(lock.MARKER, raising=False)
    loaded = params.load("demo")
    return lambda measure="auto", given=loaded: Job(by_name("quality"), given, tmp_path, measure)


def work(*names):
    def measure(one):
        for name in names:
            one.raw(name, [name])
        return {"figure": 1.5}

    return measure


def raw(one):
    return sorted(path.name for path in (one.folder / "results" / "raw").iterdir())


def test_results_are_current_until_something_that_decides_them_differs(measuring, monkeypatch):
    measuring().run(work("a"))
    assert measuring().why_stale() == [] and measuring().is_current()
    stored = json.loads(measuring().result_path.read_text())["provenance"]
    assert stored["engine_digest"] and stored["digests"]["engine"] == stored["engine_digest"]
    facts = provenance.engine_facts("cpu")
    monkeypatch.setattr(provenance, "engine_facts", lambda backend: facts | {"torch": "9.9.9", "driver": "2"})
    assert measuring().why_stale() == [f"torch: {facts['torch']!r} before, '9.9.9' now", "driver: new"]


def test_a_changed_parameter_is_named_with_both_values(measuring):
    measuring().run(work("a"))
    changed = params.load("demo", {"engine.seed": 5})
    assert measuring(given=changed).why_stale() == ["parameter engine.seed: 0 before, 5 now"]


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"schema": "evalpress/quality/1", "provenance": null}'])
def test_a_results_file_of_another_shape_is_stale_and_replaced_by_the_next_run(measuring, text):
    measuring().run(work("a"))
    measuring().result_path.write_text(text)
    (why,) = measuring().why_stale()
    assert "quality.json" in why and "\n" not in why
    measuring().run(work("a"))
    assert measuring().is_current()


def test_edited_figures_and_raw_observations_are_stale(measuring):
    measuring().run(work("a", "b"))
    path = measuring().result_path
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"data": {"figure": 9.9}}))
    assert measuring().why_stale() == ["data: edited after it was written"]
    path.write_text(json.dumps(document))
    (path.parent / "raw" / "quality-a.json").write_text("[]")
    (path.parent / "raw" / "quality-b.json").unlink()
    assert [why.rpartition(": ")[2] for why in measuring().why_stale()] == ["edited after it was written", "gone"]


def test_raw_observations_are_dropped_by_name_whatever_the_clock_says(measuring, monkeypatch):
    measuring().run(work("a", "old"))
    monkeypatch.setattr(time, "time", lambda: 10_000_000_000.0)

    def reading(one):
        one.read_raw("a")
        return work("new")(one)

    measuring("always").run(reading)
    assert raw(measuring()) == ["quality-a.json", "quality-new.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_measurement_by_hand_that_ends_early_leaves_the_old_pair(measuring, error):
    measuring().run(work("a"))
    before = measuring().result_path.read_bytes()

    def broken(one):
        one.raw("a", ["half"])
        one.raw("b", ["half"])
        raise error

    with pytest.raises(error):
        measuring("always").run(broken)
    assert measuring().result_path.read_bytes() == before and raw(measuring()) == ["quality-a.json"]
    assert measuring().is_current() and not backup.exists(measuring().folder, "quality")


def test_a_measurement_by_hand_that_was_killed_is_undone_by_the_next_reader(measuring):
    measuring().run(work("a"))
    backup.save(measuring().folder, "quality")
    measuring().raw("a", ["half"])
    assert measuring("never").run(work()).data == {"figure": 1.5}
    assert measuring().read_raw("a") == ["a"]


def test_a_second_measurement_of_the_same_report_is_refused(measuring):
    code = (
        "import sys, time; from pathlib import Path; from evalpress.core import lock\n"
        "with lock.held(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(measuring().folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=rf"another evalpress is at work on this report \(pid {owner.pid}\)"):
            measuring().run(work("a"))
    finally:
        owner.kill()
        owner.communicate()
    assert not measuring().result_path.exists()


def test_within_a_report_the_command_holds_the_lock(measuring, monkeypatch):
    monkeypatch.setitem(os.environ, lock.MARKER, str(measuring().folder))
    with lock.held(measuring().folder):
        assert measuring().run(work("a")).data == {"figure": 1.5}


def test_a_measurement_in_stages_shows_each_and_writes_at_the_end(measuring):
    def staged(one):
        yield "peaks", {"copy": 1.5}
        one.raw("a", [1])
        yield "blocks", [2]
        return {"figure": 2.5}

    steps = Steps(measuring(), staged)
    assert repr(steps.next()) == "peaks\ncopy:\n  1.5"
    assert not measuring().result_path.exists()
    data, mark = steps.next()._repr_mimebundle_()
    assert data["text/plain"] == "blocks\n[2]" and mark["evalpress"]["kind"] == "outlook"
    assert (
        steps.result().data == {"figure": 2.5} and measuring().is_current() and raw(measuring()) == ["quality-a.json"]
    )
    again = Steps(measuring(), staged)
    assert "Stored results" in repr(again.next()) and again.result().data == {"figure": 2.5}


def test_stages_that_are_given_up_leave_the_old_results(measuring):
    measuring().run(work("a"))

    def staged(one):
        yield "peaks", 1
        one.raw("a", ["other"])
        yield "blocks", 2

    steps = Steps(measuring("always"), staged)
    steps.next()
    steps.next()
    steps._stages.close()
    assert measuring().is_current() and measuring().read_raw("a") == ["a"]


def test_a_notebook_says_what_is_stored_and_how_long_it_took(measuring):
    assert "was not measured here yet" in repr(outlook(measuring()))
    measuring().run(work("a"))
    assert "Quality was measured here on 20" in repr(outlook(measuring())) and " in 0 s. The next cell" in repr(
        outlook(measuring())
    )
    measuring().result_path.write_text("{")
    assert "cannot be used" in repr(outlook(measuring("never")))
