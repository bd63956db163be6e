"""Determinism rungs: what counts as identical, and where two answers part."""

from __future__ import annotations

from evalpress import evidence
from evalpress.engine.core import Completion, Timing
from hypothesis import given
from hypothesis import strategies as st

TOKENS = st.lists(st.integers(0, 3), max_size=6)


def answer(*tokens):
    return Completion((1,), "", tuple(tokens), "stop", Timing(0, 0, 0, 0, 0.1, 0.2, len(tokens)))


@given(TOKENS, TOKENS)
def test_divergence_is_the_first_position_that_differs(a, b):
    at = evidence.divergence(a, b)
    if a == b:
        assert at is None
    else:
        assert a[:at] == b[:at]
        assert a[at : at + 1] != b[at : at + 1]


def test_a_rung_counts_identical_cases_and_names_the_first_that_differs():
    first = {"x": answer(1, 2), "y": answer(3, 4, 5)}
    row = evidence.compare("rung", "words", first, {"x": answer(1, 2), "y": answer(3, 9, 5)})
    assert (row["identical"], row["of"]) == (1, 2)
    assert row["first_divergence"] == {"case": "y", "position": 1, "token": 4, "other_token": 9}
    same = evidence.compare("rung", "words", first, first)
    assert same["identical"] == 2
    assert same["first_divergence"] is None


def test_an_answer_that_ends_earlier_diverges_at_its_end():
    row = evidence.compare("rung", "words", {"x": answer(1, 2, 3)}, {"x": answer(1, 2)})
    assert row["first_divergence"] == {"case": "x", "position": 2, "token": 3, "other_token": "(end)"}


def test_the_note_names_the_instruct_model_of_a_base_model_only():
    assert "Model-Instruct" in evidence.base_note(True, "Model-Instruct")
    assert evidence.base_note(False, "Model-Instruct") == ""


def test_first_tokens_of_every_engine_that_answered():
    rungs = [("batch_of_all", "", {"x": answer(9)}), ("compiled_against_eager", "", {"x": answer(4), "y": answer()})]
    found = evidence._first_tokens("compiled", {"x": answer(1, 2), "y": answer(3)}, rungs)
    assert found == {"compiled": {"x": 1, "y": 3}, "eager": {"x": 4}}
