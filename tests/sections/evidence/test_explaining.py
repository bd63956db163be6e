"""Differences explained by the reference: what is within the noise, what is not, and what is never judged."""

from __future__ import annotations

import numpy as np
import pytest
from evalpress.sections.evidence import explaining
from evalpress.sections.evidence.comparing import Difference, Found
from evalpress.sections.evidence.explaining import Readings

KEY = (("first", "x"), 1)


def explained(reference, other, token=0, other_token=1, dtype="bfloat16", ties=(), **more):
    """The difference of two tokens at one position whose rows of logits are these."""
    readings = Readings({}, {KEY: np.float32(reference)}, {KEY: np.float32(other)}, {KEY[0]: frozenset(ties)})
    found = Found([], {}, "first", {}, **more)
    return explaining.explain(Difference("x", 1, token, other_token), found, readings, dtype, lambda t: f"<{t}>")


def test_a_near_tie_is_within_the_noise():
    row = explained([2.0, 1.9, 0.0], [2.0, 2.0, 0.1])
    assert (row.verdict, row.best_token, row.texts) == ("within_noise", 0, ("<0>", "<1>"))
    assert row.shortfall == pytest.approx(0.1)
    assert row.noise_max_abs_err == pytest.approx(0.1)
    assert row.sentence is not None and row.sentence.endswith("within the noise.")
    assert 'x, token 2: "<0>" against "<1>"' in row.sentence


@pytest.mark.parametrize(("token", "other"), [(0, 2), (2, 0), (2, 1)])
def test_a_token_far_below_the_best_is_unexplained_whichever_side_wrote_it(token, other):
    # A candidate that picks the third token: near the second one, but rounding cannot choose it.
    row = explained([2.0, 1.9, 1.7], [2.0, 2.0, 1.8], token, other)
    assert row.verdict == "unexplained"
    assert row.sentence is not None and row.sentence.endswith("unexplained.")


def test_the_limit_is_twice_the_noise():
    assert explained([1.0, 0.5], [1.25, 0.5]).verdict == "within_noise"
    assert explained([1.0, 0.498], [1.25, 0.498]).verdict == "unexplained"


def test_an_engine_in_float32_has_the_noise_of_its_spacing():
    step = float(np.spacing(np.float32(2.0)))
    assert explained([2.0, 2.0 - step], [2.0, 2.0 - step], dtype="float32").verdict == "within_noise"
    assert explained([2.0, 1.99], [2.0, 1.99], dtype="float32").verdict == "unexplained"


def test_ends_and_unread_outputs_have_a_reason_and_no_verdict():
    row = explained([2.0, 1.0], [2.0, 1.0], 0, "(end)")
    assert (row.verdict, row.verdict_why) == (None, "one output ended before the other")
    unread = explaining.explain(Difference("x", 5, 0, 1), Found([], {}, "first", {}), Readings(), "bfloat16", str)
    assert unread.verdict_why == "the reference did not read this output"


def test_drawn_tokens_have_margins_and_no_verdict():
    row = explained([2.0, 1.0], [2.0, 1.0], drawn=True)
    assert row.verdict is None
    assert row.logit_margin == 1.0
    assert row.sentence is not None and "drawn" in row.sentence


def test_a_router_at_a_near_tie_explains_what_rounding_of_logits_does_not():
    far = ([2.0, 1.9, 1.7], [2.0, 2.0, 1.8], 0, 2)
    row = explained(*far, ties=[1])
    assert row.verdict == "rerouted"
    assert row.sentence is not None and "a router chose its experts at a near tie there or before" in row.sentence
    assert explained(*far, ties=[0, 2]).verdict == "unexplained"
    assert explained([2.0, 1.9, 0.0], [2.0, 2.0, 0.1], ties=[1]).verdict == "within_noise"
