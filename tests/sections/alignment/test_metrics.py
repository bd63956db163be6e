"""The streaming comparison against whole-array formulas of scipy, torch and numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from evalpress.core.errors import MeasurementError
from evalpress.sections.alignment import kernel, metrics, noise
from evalpress.sections.alignment.tails import tails
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

pytestmark = pytest.mark.slow

Array32 = NDArray[np.float32]
Pair = tuple[Array32, Array32]

SIZES = st.sampled_from([5, 7, 33, kernel.BLOCK - 1, kernel.BLOCK + 1, 2 * kernel.BLOCK + 3])
TIES = st.integers(-3, 3).map(float)
WIDE = st.floats(-60, 60, width=32)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Two logit arrays: unrelated or close, with many ties or none, with zeros, with a common shift."""
    shape = (draw(st.integers(1, 3)), draw(SIZES))
    fill = draw(st.sampled_from([TIES, WIDE]))
    reference = draw(hnp.arrays(np.float32, shape, elements=fill))
    if draw(st.booleans()):
        return reference, draw(hnp.arrays(np.float32, shape, elements=fill))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    scale = draw(st.sampled_from([0.0, 1e-5, 0.01, 0.15, 2.0]))
    noise = rng.normal(0, scale, shape) + draw(st.sampled_from([0.0, 0.3, -40.0]))
    return reference, (reference + noise).astype(np.float32)


EPS = float(np.finfo(np.float64).eps)
EXP = 7e-14
"""Relative error of the kernel's exponential, tested below."""


def relative_bound(terms: int) -> float:
    """Relative error of two float64 sums of so many terms of one sign, each added up in any order.

    A sum of n terms is off by at most (n - 1) eps of the sum of their absolute values (Higham, Accuracy and
    Stability of Numerical Algorithms, 4.2); each term is itself a product, off by one or two spacings.
    """
    return 2 * (terms + 4) * EPS


def log_bound(pair: Pair) -> float:
    """Absolute error of a log-sum-exp, a log probability or a mean of them under a softmax, of two computations.

    Each log probability is a difference of numbers of the logits' size, off by some spacings of it; a mean of n of
    them adds n roundings of at most that size; the kernel's exponentials add EXP of it.
    """
    size = sum(float(np.abs(side).max()) for side in pair) + math.log(pair[0].shape[1])
    return size * (2 * (pair[0].shape[1] + 8) * EPS + 2 * EXP)


def compared(pair: Pair, **options: Any) -> metrics.Rows:
    return metrics.compare_rows(*pair, range(len(pair[0])), **options)


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
    far[0, 0], far[1, 0] = 2000, -2000  # the candidate's share lies in a block that the reference ignores
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
    """A block is looked at again for the five best when either side could have a new one there."""
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
    assert found["cosine_similarity"] is None
    assert "zero" in str(found["cosine_similarity_why"])
    assert found["relative_euclidean_distance"] is None
    assert "zero" in str(found["relative_euclidean_distance_why"])
    assert (found["mse"], found["kl_divergence"], found["top1_agreement"]) == (0, 0, 1)


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


@settings(max_examples=25, deadline=None)
@given(pairs())
def test_pooled_is_the_whole_array_formula(pair: Pair) -> None:
    r, c = pair[0].astype(np.float64), pair[1].astype(np.float64)
    found = metrics.pooled(compared(pair))
    assert found["n_positions"] == len(r)
    assert found["top1_agreement"] == np.mean(r.argmax(1) == c.argmax(1))
    tops = [[set(np.argsort(-row, kind="stable")[:5].tolist()) for row in side] for side in pair]
    overlap = np.mean([len(a & b) / 5 for a, b in zip(*tops, strict=True)])
    assert found["top5_overlap"] == pytest.approx(overlap)
    assert found["mse"] == pytest.approx(np.mean((c - r) ** 2))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((c - r) ** 2)))
    assert found["max_abs_err"] == np.abs(c - r).max()
    if r.any():
        expected = np.linalg.norm(c - r) / np.linalg.norm(r)
        assert found["relative_euclidean_distance"] == pytest.approx(expected)
    assert found["perplexity_reference"] is None
    assert "next token" in str(found["perplexity_reference_why"])


def test_perplexity_of_both_sides() -> None:
    rng = np.random.default_rng(5)
    r, c = (rng.normal(0, 3, (6, 50)).astype(np.float32) for _ in range(2))
    targets = [3, 1, -1, 49, 0, 7]
    found = metrics.pooled(compared((r, c), targets=targets))
    known = [i for i, target in enumerate(targets) if target >= 0]
    perplexities = []
    for side in (r, c):
        wide = side.astype(np.float64)
        nll = [logsumexp(wide[i]) - wide[i, targets[i]] for i in known]
        perplexities.append(math.exp(float(np.mean(nll))))
    assert found["perplexity_positions"] == 5
    assert found["perplexity_reference"] == pytest.approx(perplexities[0])
    assert found["perplexity_candidate"] == pytest.approx(perplexities[1])
    assert found["perplexity_difference"] == pytest.approx(perplexities[1] - perplexities[0])


def test_parts_pooled_together_are_the_whole() -> None:
    rng = np.random.default_rng(11)
    r = rng.normal(0, 3, (50, 300)).astype(np.float32)
    c = (r + rng.normal(0, 0.2, r.shape)).astype(np.float32)
    parts = [metrics.compare_rows(r[a : a + 7], c[a : a + 7], range(a, min(50, a + 7))) for a in range(0, 50, 7)]
    assert np.concatenate(parts).tobytes() == metrics.compare_rows(r, c, range(50)).tobytes()


def _flip_case(margin: float, error: float) -> tuple[metrics.Rows, metrics.Rows]:
    """One position where tokens 2 and 5 change places and the noise floor errs by `noise`."""
    r = np.zeros((1, 8), np.float32)
    r[0, 2], r[0, 5] = 10, 10 - margin
    c, n = r.copy(), r.copy()
    c[0, 2], c[0, 5] = r[0, 5], r[0, 2]
    n[0, 0] += error
    return metrics.compare_rows(r, c, [4]), metrics.compare_rows(r, n, [4])


@pytest.mark.parametrize(
    ("margin", "error", "verdict"),
    [(0.5, 0.25, "within_noise"), (0.5, 0.125, "unexplained"), (0.5, 0.0, "unexplained")],
)
def test_a_flip_is_judged_by_twice_the_noise(margin: float, error: float, verdict: str) -> None:
    (flip,) = noise.flips(*_flip_case(margin, error))
    assert (flip.position, flip.reference_id, flip.candidate_id) == (4, 2, 5)
    assert (flip.margin, flip.gap, flip.noise_max_abs_err, flip.verdict) == (margin, margin, error, verdict)


def test_a_flip_is_judged_by_the_token_that_the_candidate_chose() -> None:
    """The reference's two best are nearly tied; a candidate that picks the third, far below, is not explained by it."""
    r = np.zeros((1, 8), np.float32)
    r[0, [2, 5, 6]] = 10, 9.9, 7
    c, n = r.copy(), r.copy()
    c[0, 6], n[0, 0] = 11, 0.25
    (flip,) = noise.flips(metrics.compare_rows(r, c, [0]), metrics.compare_rows(r, n, [0]))
    assert (flip.candidate_id, flip.margin, flip.gap) == (6, pytest.approx(0.1, abs=1e-6), 3)
    assert flip.verdict == "unexplained"
    (told,) = noise.flips(metrics.compare_rows(r, r, [0], chosen=[5]), metrics.compare_rows(r, n, [0]))
    assert (told.candidate_id, told.gap, told.verdict) == (5, pytest.approx(0.1, abs=1e-6), "within_noise")


def test_noise_ratio() -> None:
    rng = np.random.default_rng(2)
    r: Array32 = rng.normal(0, 3, (9, 400)).astype(np.float32)
    shifted: list[Array32] = [(r + shift * rng.normal(0, 1, r.shape)).astype(np.float32) for shift in (0.25, 0.5)]
    floor, candidate = (metrics.compare_rows(r, side, range(9)) for side in shifted)
    found = noise.noise_ratio(candidate, floor)
    assert found == {
        "noise_ratio": pytest.approx(2, rel=0.05),
        "centred_noise_ratio": pytest.approx(2, rel=0.05),
    }
    silent = noise.noise_ratio(candidate, metrics.compare_rows(r, r, range(9)))
    assert silent["noise_ratio"] is None
    assert "no noise" in str(silent["noise_ratio_why"])
    with pytest.raises(ValueError, match="other positions"):
        noise.noise_ratio(candidate, floor[:3])
    with pytest.raises(ValueError, match="other positions"):
        noise.flips(candidate, floor[::-1])


@pytest.mark.parametrize(("dtype", "digits"), [("bfloat16", 2**-8), ("float16", 2**-11), ("float32", 2**-24)])
def test_spacing_is_torchs(dtype: str, digits: float) -> None:
    values = np.array([1.0, 1.9, 16.0, 17.5, 0.3], np.float32)
    kind = getattr(torch, dtype)
    rounded = torch.from_numpy(values).to(kind)
    above = torch.nextafter(rounded, torch.full_like(rounded, torch.inf)) if dtype == "float32" else None
    expected = (above - rounded).double().numpy() if above is not None else 2 * digits * 2 ** np.floor(np.log2(values))
    np.testing.assert_array_equal(noise.spacing(values, dtype), expected)


def test_the_honest_error_is_at_least_half_a_spacing_of_the_stored_logit() -> None:
    r = np.zeros((1, 8), np.float32)
    r[0, 0] = 16
    silent = metrics.compare_rows(r, r, [0])
    assert noise.honest_errors(silent, "bfloat16").tolist() == [0.0625]
    assert noise.honest_errors(silent, "bfloat16", least=2.0).tolist() == [2.0]


def test_one_row_of_zeros_does_not_void_a_run() -> None:
    rng = np.random.default_rng(8)
    r: Array32 = rng.normal(0, 3, (4, 30)).astype(np.float32)
    r[2] = 0
    found = metrics.pooled(compared((r, r + np.float32(0.01))))
    assert found["undefined_cosines"] == 1
    assert found["cosine_similarity"] > 0.99


@settings(max_examples=25, deadline=None)
@given(pairs())
def test_closeness_is_numpys(pair: Pair) -> None:
    rows, (r, c) = compared(pair), (side.astype(np.float64) for side in pair)
    error, size = np.abs(c - r), np.abs(r)
    bound = relative_bound(r.shape[1])
    for key, share in (("1_percent", 0.01), ("5_permille", 0.005), ("2_permille", 0.002)):
        np.testing.assert_allclose(rows[f"match_within_{key}"], (error <= share * size).mean(axis=1), rtol=bound)
    relative = np.divide(error, size, out=np.zeros_like(error), where=size > 0).mean(axis=1)
    np.testing.assert_allclose(rows["mean_relative_error"], relative, rtol=bound)
    np.testing.assert_allclose(rows["mean_difference"], (c - r).mean(axis=1), rtol=0, atol=bound * error.max())


def test_log_probabilities_in_place_of_logits_are_found_and_what_a_shift_changes_is_left_out() -> None:
    rng = np.random.default_rng(9)
    r: Array32 = rng.normal(0, 3, (6, 300)).astype(np.float32)
    close = (r + rng.normal(0, 0.01, r.shape)).astype(np.float32)
    logs = log_softmax(close.astype(np.float64), axis=1).astype(np.float32)
    honest, given_logs = compared((r, close), targets=range(6)), compared((r, logs), targets=range(6))
    assert not metrics.are_log_probabilities(honest)
    assert metrics.are_log_probabilities(given_logs)
    plain, shifted = metrics.pooled(honest), metrics.pooled(given_logs, shifted=True)
    for key in ("kl_divergence", "perplexity_candidate", "top1_agreement", "top5_overlap", "centred_rmse"):
        assert shifted[key] == pytest.approx(plain[key], rel=1e-3)
    for key in metrics.DEPENDS_ON_SHIFT:
        assert shifted[key] is None
        assert "log-probabilities" in shifted[f"{key}_why"]


def test_tails_are_numpys_percentiles_and_show_an_outlier_that_the_mean_hides() -> None:
    rng = np.random.default_rng(10)
    r: Array32 = rng.normal(0, 3, (1000, 50)).astype(np.float32)
    c = (r + rng.normal(0, 0.01, r.shape)).astype(np.float32)
    c[77] = rng.normal(0, 3, 50)
    rows = compared((r, c), targets=[3] * 1000)
    found = tails(rows)
    p, q = (log_softmax(side.astype(np.float64), axis=1) for side in (r, c))
    kl = (np.exp(p) * (p - q)).sum(1)
    best = r.argmax(1)
    change = np.abs(np.exp(q[range(1000), best]) - np.exp(p[range(1000), best]))
    for key, values in (
        ("kl_divergence", kl),
        ("probability_change", change),
        ("logprob_change", np.abs(q[:, 3] - p[:, 3])),
    ):
        for name, share in (("median", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9), ("max", 100)):
            assert found[key][name] == pytest.approx(np.percentile(values, share), rel=1e-6, abs=1e-12)
    assert found["kl_divergence"]["max"] > 1000 * found["kl_divergence"]["p99"]


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
