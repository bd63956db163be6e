"""The check of one rank against several: only where the set has several, with every processor given to the one."""

from __future__ import annotations

import contextlib

from evalpress import params
from evalpress.launch.environment import THREADS
from evalpress.sections.evidence import checks
from evalpress.sections.evidence.comparing import Answer
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name


def made(monkeypatch, tmp_path, name):
    """The checks of a set whose engines answer with one token; and the engine parameters of fresh engines."""
    fresh = []

    @contextlib.contextmanager
    def start(p, mode, **changed):
        fresh.append(p.engine)
        yield "engine"

    monkeypatch.setattr(checks.engine, "get", lambda p, mode: "engine")
    monkeypatch.setattr(checks.engine, "fresh", start)
    monkeypatch.setattr(checks, "alone", lambda loaded, asked, sampling: {case: Answer((1,)) for case in asked})
    tried = checks.Checks(Job(by_name("evidence"), params.load(name), tmp_path, "always"), {"x": [1, 2]}, None)
    return tried, {key: measure for key, _, measure in tried.all()}, fresh


def test_one_rank_against_two_with_the_processors_of_both(monkeypatch, tmp_path):
    tried, measures, fresh = made(monkeypatch, tmp_path, "demo-tp2")
    measures["compiled_against_eager"]()
    found = measures["tensor_parallel"]()
    assert found.runs == [tried.by_mode["eager"]]
    assert (fresh[0].tensor_parallel_size, fresh[0].env[THREADS]) == (1, "0,1")


def test_a_set_of_one_rank_has_no_such_check(monkeypatch, tmp_path):
    _, measures, _ = made(monkeypatch, tmp_path, "demo")
    assert "tensor_parallel" not in measures
    assert len(measures) == 10
