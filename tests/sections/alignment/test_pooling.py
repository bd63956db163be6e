"""Figures of many positions: pooling, perplexity, flips, noise ratio, tails."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from evalpress.core.floats import spacing
from evalpress.sections.alignment import metrics, noise
from evalpress.sections.alignment.tails import tails
from hypothesis import given, settings
from logit_pairs import Array32, Pair, compared, pairs, relative_bound
from scipy.special import log_softmax, logsumexp

pytestmark = pytest.mark.slow


@settings(max_examples=25, deadline=None)
@given(pairs())
def test_pooled_is_the_whole_array_formula(pair: Pair) -> None:
    r, c = pair[0].astype(np.float64), pair[1].astype(np.float64)
    found = metrics.pooled(compared(pair))
    assert found.n_positions == len(r)
    assert found.top1_agreement == np.mean(r.argmax(1) == c.argmax(1))
    tops = [[set(np.argsort(-row, kind="stable")[:5].tolist()) for row in side] for side in pair]
    overlap = np.mean([len(a & b) / 5 for a, b in zip(*tops, strict=True)])
    assert found.top5_overlap == pytest.approx(overlap)
    assert found.mse == pytest.approx(np.mean((c - r) ** 2))
    assert found.rmse == pytest.approx(np.sqrt(np.mean((c - r) ** 2)))
    assert found.max_abs_err == np.abs(c - r).max()
    if r.any():
        expected = np.linalg.norm(c - r) / np.linalg.norm(r)
        assert found.relative_euclidean_distance == pytest.approx(expected)
    assert found.perplexity_reference is None
    assert "next token" in str(found.perplexity_reference_why)


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
    assert found.perplexity_positions == 5
    assert found.perplexity_reference == pytest.approx(perplexities[0])
    assert found.perplexity_candidate == pytest.approx(perplexities[1])
    assert found.perplexity_difference == pytest.approx(perplexities[1] - perplexities[0])


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
    assert (found.noise_ratio, found.centred_noise_ratio) == pytest.approx((2, 2), rel=0.05)
    silent = noise.noise_ratio(candidate, metrics.compare_rows(r, r, range(9)))
    assert silent.noise_ratio is None
    assert "no noise" in str(silent.noise_ratio_why)
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
    np.testing.assert_array_equal(spacing(values, dtype), expected)


def test_the_rounding_error_is_at_least_half_a_spacing_of_the_stored_logit() -> None:
    r = np.zeros((1, 8), np.float32)
    r[0, 0] = 16
    silent = metrics.compare_rows(r, r, [0])
    assert noise.rounding_errors(silent, "bfloat16").tolist() == [0.0625]
    assert noise.rounding_errors(silent, "bfloat16", least=2.0).tolist() == [2.0]


def test_one_row_of_zeros_does_not_void_a_run() -> None:
    rng = np.random.default_rng(8)
    r: Array32 = rng.normal(0, 3, (4, 30)).astype(np.float32)
    r[2] = 0
    found = metrics.pooled(compared((r, r + np.float32(0.01))))
    assert found.undefined_cosines == 1
    assert found.cosine_similarity == pytest.approx(1, abs=0.01)


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
    np.testing.assert_allclose(rows["mean_abs_err"], error.mean(axis=1), rtol=bound)
    np.testing.assert_allclose(rows["mean_difference"], (c - r).mean(axis=1), rtol=0, atol=bound * error.max())


def test_log_probabilities_in_place_of_logits_are_found_and_what_a_shift_changes_is_left_out() -> None:
    rng = np.random.default_rng(9)
    r: Array32 = rng.normal(0, 3, (6, 300)).astype(np.float32)
    close = (r + rng.normal(0, 0.01, r.shape)).astype(np.float32)
    logs = log_softmax(close.astype(np.float64), axis=1).astype(np.float32)
    raw, given_logs = compared((r, close), targets=range(6)), compared((r, logs), targets=range(6))
    assert not metrics.are_log_probabilities(raw)
    assert metrics.are_log_probabilities(given_logs)
    plain, shifted = metrics.pooled(raw), metrics.pooled(given_logs, shifted=True)
    for key in ("kl_divergence", "perplexity_candidate", "top1_agreement", "top5_overlap", "centred_rmse"):
        assert getattr(shifted, key) == pytest.approx(getattr(plain, key), rel=1e-3)
    for key in metrics.DEPENDS_ON_SHIFT:
        assert getattr(shifted, key) is None
        assert "log-probabilities" in getattr(shifted, f"{key}_why")


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
            assert getattr(getattr(found, key), name) == pytest.approx(
                np.percentile(values, share), rel=1e-6, abs=1e-12
            )
    assert found.kl_divergence.max > 1000 * found.kl_divergence.p99
