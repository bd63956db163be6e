"""What counts as identical, where two outputs differ first, and the bound for tokens without a difference."""

from __future__ import annotations

import numpy as np
import pytest
from evalpress.core.floats import spacing
from evalpress.sections.evidence import comparing, settings
from evalpress.sections.evidence.comparing import Answer, Difference, Found
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st
from scipy import stats

TOKENS = st.lists(st.integers(0, 3), max_size=6)


def found(baseline, *runs, **more) -> Found:
    """A check's runs from plain token lists."""
    answers = [{case: Answer(tuple(ids)) for case, ids in run.items()} for run in runs]
    return Found(answers, {case: Answer(tuple(ids)) for case, ids in baseline.items()}, "first", {}, **more)


@given(TOKENS, TOKENS)
def test_divergence_is_the_first_position_that_differs(a, b):
    at = comparing.divergence(a, b)
    if a == b:
        assert at is None
    else:
        assert a[:at] == b[:at]
        assert a[at : at + 1] != b[at : at + 1]


def test_a_prompt_is_identical_when_every_run_is():
    row = comparing.counts(
        found({"x": [1, 2], "y": [3, 4, 5]}, {"x": [1, 2], "y": [3, 4, 5]}, {"x": [1, 2], "y": [3, 9, 5]})
    )
    assert (row["identical"], row["of"], row["runs"], row["differing"]) == (1, 2, 2, ("y",))
    assert row["tokens"] == 2 + 3 + 2 + 2  # up to and with the token that differs
    assert row["unique_outputs"] == {"x": 1, "y": 2}


def test_unique_outputs_count_the_baselines_too():
    row = comparing.counts(found({"x": [1, 2]}, {"x": [1, 3]}, {"x": [1, 3]}, {"x": [1, 4]}))
    assert row["unique_outputs"] == {"x": 3}


def test_a_change_that_is_repeated_with_the_same_outputs_is_one_observation():
    """Three batches that change nothing among themselves bound the rate of differences as one batch does."""
    baseline, batch = {"x": [1] * 100, "y": [2] * 50}, {"x": [1] * 99 + [3], "y": [2] * 50}
    once, thrice = found(baseline, batch), found(baseline, batch, batch, batch, same_change=True)
    assert comparing.counts(thrice)["rate_upper_95"] == comparing.counts(once)["rate_upper_95"]
    assert comparing.counts(thrice)["tokens"] == 450 and comparing.counts(thrice)["output_tokens"] == 100
    asked_again = comparing.counts(found(baseline, baseline, baseline, baseline))  # each run is another trial
    assert asked_again["rate_upper_95"] == comparing.rate_upper_95(0, 450)


def test_every_first_difference_stands_once_and_an_end_is_one():
    one = found(
        {"x": [1, 2, 3], "y": [5]}, {"x": [1, 2], "y": [5]}, {"x": [1, 9, 3], "y": [5]}, {"x": [1, 9, 4], "y": [5]}
    )
    assert comparing.differences(one) == [Difference("x", 2, 3, "(end)"), Difference("x", 1, 2, 9)]


@settings_of(deadline=None)  # scipy is imported on first use
@given(st.integers(1, 5000), st.data())
def test_the_bound_is_clopper_and_pearsons(n, data):
    events = data.draw(st.integers(0, n))
    wanted = 1.0 if events == n else stats.beta.ppf(0.95, events + 1, n - events)
    assert comparing.rate_upper_95(events, n) == pytest.approx(wanted, rel=1e-9)


def test_the_bound_without_a_difference_is_the_rule_of_three():
    assert comparing.rate_upper_95(0, 1000) == pytest.approx(0.003, rel=0.01)
    assert comparing.rate_upper_95(0, 68) == pytest.approx(0.043, rel=0.02)
    with pytest.raises(ValueError, match="found 0 of 0"):
        comparing.rate_upper_95(0, 0)


def test_scores_are_compared_to_the_last_bit_and_only_up_to_the_difference():
    baseline = {"x": Answer((1, 2, 3), (0.5, 0.25, 0.125)), "y": Answer((7,), (1.0,))}
    run = {"x": Answer((1, 2, 4), (0.5, float(np.nextafter(0.25, 1)), 9.0)), "y": Answer((7,), (1.0,))}
    row = comparing.counts(Found([run], baseline, "first", {}))
    assert (row["logprobs_identical"], row["logprobs_of"]) == (2, 3)
    other = comparing.counts(Found([run], baseline, "first", {}, scores_why="another scale"))
    assert (other["logprobs_identical"], other["logprobs_identical_why"]) == (None, "another scale")
    assert comparing.counts(found({"x": [1]}, {"x": [1]}))["logprobs_of_why"] == "one side gave no scores"


@given(st.floats(min_value=2**-14, max_value=6e4, width=16))
def test_spacing_is_numpys(value):
    assert spacing(value, "float16") == np.spacing(np.float16(value))
    assert spacing(value, "float32") == np.spacing(np.float32(value))


def test_settings_that_make_a_check_hold_are_named_with_the_values_of_the_run_book():
    ascend = settings.holds_with("same_engine_again")["ascend"]
    assert {"HCCL_DETERMINISTIC=true", "LCCL_DETERMINISTIC=1"} <= set(ascend)
    assert {"ATB_MATMUL_SHUFFLE_K_ENABLE=0", "ATB_LLM_LCOC_ENABLE=0"} <= set(ascend)
    assert "VLLM_BATCH_INVARIANT=1" in settings.holds_with("shuffled_batch")["ascend"]
    assert settings.holds_with("same_engine_again")["cpu"] == ("VLLM_ENABLE_V1_MULTIPROCESSING=0",)
