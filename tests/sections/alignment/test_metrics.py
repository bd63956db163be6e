"""Distances and likelihoods per position against whole-array formulas of scipy, torch and numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from evalpress.core.errors import MeasurementError
from evalpress.sections.alignment import kernel, metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from logit_pairs import Pair, compared, log_bound, pairs, relative_bound
from scipy.special import log_softmax

pytestmark = pytest.mark.slow


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_distances_are_numpys(pair: Pair) -> None:
    r, c = pair[0].astype(np.float64), pair[1].astype(np.float64)
    rows = compared(pair)
    bound = relative_bound(r.shape[1])
    np.testing.assert_allclose(rows["mse"], ((c - r) ** 2).mean(axis=1), rtol=bound)
    np.testing.assert_array_equal(rows["max_abs_err"], np.abs(c - r).max(axis=1))
    norms = np.linalg.norm(r, axis=1)
    for row, norm, error in zip(rows, norms, np.linalg.norm(c - r, axis=1), strict=True):
        if norm == 0:
            assert math.isnan(row["relative_euclidean_distance"])
        else:
            assert row["relative_euclidean_distance"] == pytest.approx(error / norm, rel=bound)


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_cosine_is_torchs_and_stays_in_range(pair: Pair) -> None:
    rows = compared(pair)
    r, c = (torch.from_numpy(side).double() for side in pair)
    expected = torch.nn.functional.cosine_similarity(r, c, dim=1, eps=0).numpy()
    np.testing.assert_allclose(rows["cosine_similarity"], expected, rtol=0, atol=2 * relative_bound(r.shape[1]))
    known = rows["cosine_similarity"][~np.isnan(rows["cosine_similarity"])]
    assert ((known >= -1) & (known <= 1)).all()


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_kl_is_torchs_and_never_negative(pair: Pair) -> None:
    rows = compared(pair)
    r, c = (torch.from_numpy(side).double().log_softmax(1) for side in pair)
    expected = torch.nn.functional.kl_div(c, r, reduction="none", log_target=True).sum(1).numpy()
    np.testing.assert_allclose(rows["kl_divergence"], expected, rtol=0, atol=log_bound(pair))
    assert (rows["kl_divergence"] >= 0).all()


def test_kl_of_few_large_logits_in_many_blocks_is_within_the_bound() -> None:
    """The example that a fixed tolerance of 2e-13 failed: logits of 52 and 17 over 2,047 tokens."""
    r, c = (np.zeros((1, 2047), np.float32) for _ in range(2))
    r[0, 0], c[0, 0], c[0, 1] = 52, 17, 52
    p, q = (torch.from_numpy(side).double().log_softmax(1) for side in (r, c))
    expected = float(torch.nn.functional.kl_div(q, p, reduction="sum", log_target=True))
    assert abs(float(compared((r, c))["kl_divergence"][0]) - expected) <= log_bound((r, c)) < 1e-9


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_five_best_are_a_stable_descending_sort(pair: Pair) -> None:
    rows = compared(pair)
    for side, logits in enumerate(pair):
        ids = np.argsort(-logits, axis=1, kind="stable")[:, : kernel.TOP]
        np.testing.assert_array_equal(rows["top_ids"][:, side], ids)
        np.testing.assert_array_equal(rows["top_logits"][:, side], np.take_along_axis(logits, ids, 1))
        np.testing.assert_array_equal(rows["top_ids"][:, side, 0], logits.argmax(axis=1))
    best_two = -np.sort(-pair[0].astype(np.float64), axis=1)[:, :2]
    np.testing.assert_array_equal(rows["margin"], best_two[:, 0] - best_two[:, 1])


@settings(max_examples=50, deadline=None)
@given(pairs(), st.randoms(use_true_random=False))
def test_likelihood_of_targets_is_scipys(pair: Pair, random: Any) -> None:
    vocabulary = pair[0].shape[1]
    targets = [random.randrange(-1, vocabulary) for _ in pair[0]]
    rows = compared(pair, targets=targets)
    for side, key in enumerate(("reference_nll", "candidate_nll")):
        logs = log_softmax(pair[side].astype(np.float64), axis=1)
        for row, target, log in zip(rows, targets, logs, strict=True):
            if target < 0:
                assert math.isnan(row[key])
            else:
                assert row[key] == pytest.approx(-log[target], rel=0, abs=log_bound(pair))


def test_kl_of_nearly_equal_rows_keeps_relative_accuracy() -> None:
    rng = np.random.default_rng(3)
    r = rng.normal(0, 4, (4, 3000)).astype(np.float32)
    c = (r * np.float32(1 + 2**-20)).astype(np.float32)
    rows = compared((r, c))
    for row, left, right in zip(rows, r.astype(np.longdouble), c.astype(np.longdouble), strict=True):
        p = np.exp(left - left.max()) / np.exp(left - left.max()).sum()
        d = right - left
        mean = (p * d).sum()
        expected = float(np.log1p((p * np.expm1(d - mean)).sum()))  # numpy's long double: 64-bit mantissa
        assert 0 < expected < 1e-9
        assert row["kl_divergence"] == pytest.approx(expected, rel=1e-6)


def test_huge_logits_do_not_overflow() -> None:
    far = np.zeros((2, 2 * kernel.BLOCK), np.float32)
    far[0, 0], far[1, 0] = 2000, -2000  # the candidate's share is in a block that the reference ignores
    assert compared((far[:1], far[1:]))["kl_divergence"] == pytest.approx(2000 + math.log(far.shape[1] - 1))
    r = np.array([[1e30, -1e30, 0, 3e38, 2, 1], [800, 0, -800, 5, 6, 7]], np.float32)
    c = np.array([[1e30, -1e30, 0, 3e38, 1, 2], [-800, 0, 800, 5, 6, 7]], np.float32)
    rows = compared((r, c), targets=[3, 0])
    assert rows["kl_divergence"].tolist() == pytest.approx([0, 1600])
    assert rows["reference_nll"].tolist() == pytest.approx([0, 0])
    assert rows["candidate_nll"].tolist() == pytest.approx([0, 1600])


def test_exponentials_of_the_kernel_are_numpys_in_extended_precision() -> None:
    x = np.concatenate([np.linspace(-690, 100, 4001), [0.0, -1e-300, 1e-9, -1e-9]])
    found = np.array([kernel._exp(value, 0.0) for value in x])
    np.testing.assert_allclose(found, np.exp(x.astype(np.longdouble)).astype(np.float64), rtol=7e-14)
    assert kernel._exp(-1e38, 0.0) < 1e-300
    near = np.linspace(-kernel.NEAR, kernel.NEAR, 1001)
    wide = near.astype(np.longdouble) + 1e-18
    expected = (np.expm1(wide) - wide) / wide**2
    inside = np.abs(near) > 0.01  # where the formula itself does not cancel
    found = np.array([kernel._second_order_near(value) for value in near])
    np.testing.assert_allclose(found[inside], expected[inside].astype(np.float64), rtol=1e-12)
    np.testing.assert_allclose(found[~inside], (0.5 + near / 6 + near**2 / 24)[~inside], rtol=1e-7)


@pytest.mark.parametrize("first", [-1e30, -3e5, 900.0, 101.0])
def test_a_first_token_far_from_the_best_changes_nothing(first: float) -> None:
    rng = np.random.default_rng(4)
    r = rng.normal(0, 4, (3, 2 * kernel.BLOCK + 9)).astype(np.float32)
    c = (r + rng.normal(0, 0.1, r.shape)).astype(np.float32)
    r[:, 0] = c[:, 0] = first
    p, q = (torch.from_numpy(side).double().log_softmax(1) for side in (r, c))
    rows = compared((r, c), targets=[1, 2, 3])
    expected = torch.nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(1).numpy()
    np.testing.assert_allclose(rows["kl_divergence"], expected, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(rows["candidate_nll"], -q.numpy()[range(3), [1, 2, 3]], rtol=1e-12)
    np.testing.assert_array_equal(rows["top_ids"][:, 1], np.argsort(-c, axis=1, kind="stable")[:, : kernel.TOP])


@pytest.mark.parametrize("size", [1.0, 1e4, 3e6, 1e8])
def test_a_candidate_that_reorders_near_ties_late_in_the_row(size: float) -> None:
    """A block is examined again for the five best when either side could have a new one there."""
    rng = np.random.default_rng(6)
    r = (size + rng.uniform(-0.3, 0.3, (20, 3 * kernel.BLOCK))).astype(np.float32)
    c = (r + rng.uniform(-0.7, 0.7, r.shape)).astype(np.float32)
    rows = compared((r, c))
    for side, logits in enumerate((r, c)):
        ids = np.argsort(-logits, axis=1, kind="stable")[:, : kernel.TOP]
        np.testing.assert_array_equal(rows["top_ids"][:, side], ids)


def test_cosine_of_very_different_sizes() -> None:
    ones, tiny = np.ones((1, 8), np.float32), np.full((1, 8), 1e-40, np.float32)
    assert compared((ones, tiny))["cosine_similarity"] == pytest.approx(1)
    assert compared((tiny, -ones))["cosine_similarity"] == pytest.approx(-1)


def test_rows_of_zeros_have_no_direction_and_say_so() -> None:
    zeros = np.zeros((2, 8), np.float32)
    found = metrics.pooled(compared((zeros, zeros)))
    assert found.cosine_similarity is None
    assert "zero" in str(found.cosine_similarity_why)
    assert found.relative_euclidean_distance is None
    assert "zero" in str(found.relative_euclidean_distance_why)
    assert (found.mse, found.kl_divergence, found.top1_agreement) == (0, 0, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("token", [0, 1500, 2999])
def test_what_is_not_finite_is_named(value: float, side: int, token: int) -> None:
    pair = tuple(np.zeros((20, 3000), np.float32) for _ in range(2))
    pair[side][17, token] = value
    name = ("reference", "vllm_eager")[side]
    expected = f"{name}: position 117, token {token}: found logit {value}"
    with pytest.raises(MeasurementError, match=expected):
        metrics.compare_rows(pair[0], pair[1], range(100, 120), name="vllm_eager")


@settings(max_examples=50, deadline=None)
@given(pairs(), st.data())
def test_the_first_logit_that_is_not_finite_is_named_whatever_the_rest(pair: Pair, data: st.DataObject) -> None:
    """The reference's comes before the candidate's, an earlier position before a later one."""
    places = [(row, side, token) for row in range(len(pair[0])) for side in (0, 1) for token in range(pair[0].shape[1])]
    bad = data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4, unique=True))
    for row, side, token in bad:
        pair[side][row, token] = data.draw(st.sampled_from([math.nan, -math.nan, math.inf, -math.inf]))
    row, side, token = min(bad)
    with pytest.raises(MeasurementError) as caught:
        compared(pair, name="vllm_eager")
    assert str(caught.value).startswith(f"{('reference', 'vllm_eager')[side]}: position {row}, token {token}: found")


def test_arrays_that_do_not_fit_are_refused() -> None:
    good = np.zeros((2, 8), np.float32)
    bad_arrays: list[Any] = [good[:1], good[:, :7], good.astype(np.float64), good[0]]
    for bad in bad_arrays:
        with pytest.raises(ValueError, match="found"):
            metrics.compare_rows(good, bad, [0, 1])
    with pytest.raises(ValueError, match="one per position"):
        metrics.compare_rows(good, good, [0])
    with pytest.raises(ValueError, match="5 or more tokens"):
        metrics.compare_rows(good[:, :4], good[:, :4], [0, 1])
    with pytest.raises(ValueError, match="at least one"):
        metrics.pooled(metrics.compare_rows(good[:0], good[:0], []))
