"""The way from checks through the reader to explained rows, with readings made up."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from evalpress import params
from evalpress.sections.evidence import checks, determinism, reading
from evalpress.sections.evidence.comparing import Answer
from evalpress.sections.evidence.reading import Reading
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name


class MadeUp:
    """A reader whose reference prefers token 1 by a very small margin over token 2."""

    def read(self, dtype, texts, positions, kept):
        shift = 0.0 if dtype == "float32" else 0.1
        row = np.float32([0.0, 2.0, 1.95 + shift, 0.0])
        found = [
            Reading(key, [1] * len(at), [1] * len(at), {p: row for p in at if p in kept.get(key, ())})
            for key, at in positions.items()
        ]
        return {"dtype": dtype}, found


def test_a_difference_of_the_other_mode_is_read_and_explained(monkeypatch, tmp_path):
    answers = {"compiled": Answer((1, 1, 1), (0.5, 0.5, 0.5)), "eager": Answer((1, 2, 1), (0.5, 0.4, 0.5))}
    monkeypatch.setattr(checks.engine, "get", lambda p, mode: mode)
    monkeypatch.setattr(checks.engine, "fresh", lambda p, mode, **changed: contextlib.nullcontext(mode))
    monkeypatch.setattr(checks, "alone", lambda loaded, asked, sampling: dict.fromkeys(asked, answers[loaded]))
    tried = checks.Checks(Job(by_name("evidence"), params.load("demo"), tmp_path, "always"), {"x": [7, 8]}, MadeUp())
    outcome = determinism.run(tried, str)
    row = {check.rung: check for check in outcome.rows}
    assert (row["compiled_against_eager"].explained, row["compiled_against_eager"].unexplained) == (1, 0)
    assert row["compiled_against_eager"].first_divergence.position == 1
    assert row["compiled_against_eager"].logprobs_of == 1
    assert row["vllm_against_transformers"].identical == 1
    assert row["new_engine"].identical == 1
    assert "AttributeError" in row["batch_of_all"].identical_why  # this engine has no generate
    assert outcome.readings.ranks["eager", "x"] == [1, 1, 1]


def test_a_near_tie_is_four_spacings_of_the_engines_dtype():
    best = np.float32([2.0, 17.5, -3.0])
    assert reading.near_ties(best, "bfloat16").tolist() == [4 * 2 / 128, 4 * 16 / 128, 4 * 2 / 128]
    assert reading.near_ties(best, "float32").max() < 1e-5


def test_ranks_count_clearly_better_tokens_only(monkeypatch):
    from evalpress.model import forward

    rows = np.float32([[0.0, 2.0, 1.95, -1.0], [0.0, 2.0, 1.95, -1.0], [0.0, 2.0, 1.95, -1.0]])
    part = SimpleNamespace(values=rows, positions=np.array([0, 1, 2]), routers=None)
    run = SimpleNamespace(described={"dtype": "float32"})
    monkeypatch.setattr(forward, "loaded", lambda *a, **k: contextlib.nullcontext(run))
    monkeypatch.setattr(forward, "right_attentions", lambda run, probe: SimpleNamespace(names=("eager",)))
    monkeypatch.setattr(forward, "forward", lambda run, texts, positions: iter([("x", part)]))
    for dtype, ranks in (("bfloat16", [1, 1, 3]), ("float32", [1, 2, 3])):
        request = reading.Request(Path(), "float32", dtype, False, {"x": [0, 1, 2, 0]}, {"x": [0, 1, 2]})
        assert [one.ranks for one in list(reading.passes(request))[1:]] == [ranks]


def test_where_a_router_may_take_another_expert_no_token_has_a_rank():
    margins = np.float32([[0.001, 3.0], [0.5, 3.0], [-0.001, 3.0]])
    other = np.float32([[0.5, 3.0], [0.5, 3.0], [0.5, 3.0]])
    assert reading._tied(np.stack([other, margins]), "bfloat16", 3).tolist() == [True, False, False]
    assert reading._tied(None, "bfloat16", 3).tolist() == [False, False, False]


def test_every_later_token_depends_on_a_routers_near_tie(monkeypatch):
    from evalpress.model import forward

    rows = np.float32([[0.0, 2.0, 1.0, -1.0]] * 3)
    routers = np.float32([[[0.5, 3.0], [0.5, 3.0], [0.001, 3.0], [0.5, 3.0], [0.5, 3.0]]])
    part = SimpleNamespace(values=rows, positions=np.array([1, 2, 4]), routers=routers)
    run = SimpleNamespace(described={"dtype": "float32"})
    monkeypatch.setattr(forward, "loaded", lambda *a, **k: contextlib.nullcontext(run))
    monkeypatch.setattr(forward, "right_attentions", lambda run, probe: SimpleNamespace(names=("eager",)))
    monkeypatch.setattr(forward, "forward", lambda run, texts, positions: iter([("x", part)]))
    request = reading.Request(Path(), "float32", "bfloat16", False, {"x": [0, 0, 3, 3, 0, 3]}, {"x": [1, 2, 4]})
    (found,) = list(reading.passes(request))[1:]
    assert (found.ranks, found.ties) == ([4, 1, 4], {2, 4})
