"""Servers that were started ahead are those that the serving section measures, and no second ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from evalpress import params
from evalpress.sections import budget
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from evalpress.sections.serving import left_out, servers, starts


@dataclass
class Launched:
    """In place of a server's process."""

    stopped: bool = False

    def ended(self, patience_s: float) -> None:
        return None

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Every set of servers that was started."""
    found: list[dict] = []

    def launch(job: Job, modes):
        found.append({mode: Launched() for mode in modes})
        return found[-1]

    monkeypatch.setattr(servers, "_launch", launch)
    monkeypatch.setattr(servers, "fits_beside", lambda *_: True)
    monkeypatch.setattr(servers, "require_server", lambda _: None)
    monkeypatch.setattr(servers, "_target", lambda job, mode, launched, started, fits: started)
    monkeypatch.setattr(servers, "_ahead", {})
    return found


def started_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Job:
    job = Job(by_name("serving"), params.load("demo"), tmp_path, "always")
    monkeypatch.setattr(servers, "open_job", lambda *_, **__: job)
    servers.start_ahead("demo", str(tmp_path))
    return job


def test_a_budget_that_shortened_the_load_since_takes_the_servers_over(launched, monkeypatch, tmp_path):
    job = started_ahead(monkeypatch, tmp_path)
    less = replace(job, params=budget.scaled(job.params, 0.1)[0])
    assert less.params.serving != job.params.serving
    with servers.targets(less, less.params.serving.modes) as targets:
        assert targets == ["beside other sections"] * 2
    assert len(launched) == 1 and all(one.stopped for one in launched[0].values())


def test_other_servers_are_started_for_another_engine(launched, monkeypatch, tmp_path):
    job = started_ahead(monkeypatch, tmp_path)
    engine = job.params.engine.model_copy(update={"max_num_seqs": 16})
    other = replace(job, params=job.params.model_copy(update={"engine": engine}))
    with servers.targets(other, other.params.serving.modes) as targets:
        assert targets == ["with the other server"] * 2
        assert [one.stopped for one in launched[0].values()] == [True, True]
    assert len(launched) == 2


def test_what_a_budget_left_out_is_not_said_to_be_asked_for_by_nobody(tmp_path):
    whole = params.load("smollm2-135m")
    less, said = budget.scaled(whole, 0.1)
    job = Job(by_name("serving"), whole, tmp_path, "always")
    short = replace(job, params=less, left_out=said["serving"])
    assert starts.measure(short) == (None, "left out to keep to run.budget_minutes")
    none = replace(job, params=less)
    assert starts.measure(none) == (None, "the set asks for none (serving.starts)")
    assert left_out.why(short, (left_out.SEARCH,), "not asked") == "not asked"
