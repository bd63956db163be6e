"""Which modes the determinism checks compare: every one against eager, where the set has it."""

from __future__ import annotations

from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.sections.evidence import checks, reliance
from evalpress.sections.evidence.comparing import Answer
from evalpress.sections.evidence.results import Check
from evalpress.sections.evidence.settings import holds_with
from evalpress.sections.job import Job
from evalpress.sections.registry import by_name
from filled import filled

TOKENS = {"eager": 1, "compiled": 2, "inductor": 2, "dynamo": 3}


def made(monkeypatch, tmp_path, name, **engine):
    """The checks of a set whose engines each answer with a token of their own."""
    monkeypatch.setattr(checks.engine, "get", lambda p, mode: mode)
    monkeypatch.setattr(
        checks, "alone", lambda mode, asked, sampling: {case: Answer((TOKENS[mode],)) for case in asked}
    )
    p = params.load(name)
    p = p.model_copy(update={"engine": p.engine.model_copy(update=engine)})
    tried = checks.Checks(Job(by_name("evidence"), p, tmp_path, "always"), {"x": [1, 2]}, None)
    return tried, {key: (told, measure) for key, told, measure in tried.all() if "_against_" in key}


def tokens(found):
    return found.baseline["x"].token_ids[0], found.runs[0]["x"].token_ids[0], found.against


def test_each_variant_is_held_against_eager(monkeypatch, tmp_path):
    tried, found = made(monkeypatch, tmp_path, "demo-variants")
    names = [name for name in found if "engine" in found[name][0] and "transformers" not in name]
    assert [name for name in names if "server" not in name] == ["inductor_against_eager", "dynamo_against_eager"]
    assert found["inductor_against_eager"][0] == "the eager engine"
    assert tokens(found["inductor_against_eager"][1]()) == (2, 1, "first")
    assert found["dynamo_against_eager"][0] == "the dynamo engine against the eager one"
    assert tokens(found["dynamo_against_eager"][1]()) == (1, 3, "eager")
    assert list(tried.by_mode) == ["inductor", "eager", "dynamo"]


def test_two_modes_are_compared_as_before(monkeypatch, tmp_path):
    _, found = made(monkeypatch, tmp_path, "demo")
    assert found["compiled_against_eager"][0] == "the eager engine"
    assert tokens(found["compiled_against_eager"][1]()) == (2, 1, "first")
    _, found = made(monkeypatch, tmp_path, "demo", modes=("eager",))  # the evidence's own mode is a second one
    assert tokens(found["compiled_against_eager"][1]()) == (2, 1, "first")


def test_one_mode_alone_is_not_compared(monkeypatch, tmp_path):
    _, found = made(monkeypatch, tmp_path, "demo", modes=("compiled",))
    try:
        found["compiled_against_eager"][1]()
    except MeasurementError as error:
        assert "one mode only" in str(error)
    else:
        raise AssertionError("nothing to compare with")


def test_variants_without_eager_are_held_against_the_first(monkeypatch, tmp_path):
    _, found = made(monkeypatch, tmp_path, "demo-variants", modes=("inductor", "dynamo"))
    assert tokens(found["dynamo_against_inductor"][1]()) == (2, 3, "first")


def test_a_variants_check_has_words_and_what_makes_it_hold():
    row = {"rung": "full_against_eager", "of": 10, "unexplained": 0}
    assert reliance.sentence([filled(Check, row | {"identical": 10})]) == "Identical in full mode as in eager."
    differs = reliance.sentence([filled(Check, row | {"identical": 8})])
    assert differs == "Full mode in place of eager changes 2 of 10 answers, each at a near tie."
    assert holds_with("full_against_eager")["ascend"] == ("enforce_eager=True on both sides",)


def test_outputs_that_are_shorter_than_those_of_other_checks_are_named_so():
    again = {"rung": "same_engine_again", "identical": 10, "of": 10, "output_tokens": 34}
    batch = {"rung": "batch_of_all", "identical": 4, "of": 10, "unexplained": 0, "output_tokens": 100}
    assert reliance.sentence([filled(Check, again), filled(Check, batch)]) == (
        "Identical when asked again (first 34 tokens); batching changes 6 of 10 answers, each at a near tie."
    )
