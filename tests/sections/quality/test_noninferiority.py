"""The difference of paired accuracies and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from evalpress.sections.quality.noninferiority import compare
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_samples import judged, results_of

COUNTS = st.tuples(*[st.integers(0, 200)] * 4).filter(any)


@settings(max_examples=200, deadline=None)
@given(counts=COUNTS)
def test_the_interval_holds_the_difference_and_mirrors_when_the_runs_change_places(counts):
    both, ours, theirs, neither = counts
    found, mirrored = compare(both, ours, theirs, neither, 0.05), compare(both, theirs, ours, neither, 0.05)
    assert -1 <= found.ci_low <= found.difference <= found.ci_high <= 1
    assert found.difference == pytest.approx((ours - theirs) / sum(counts))
    assert (found.ci_low, found.ci_high) == pytest.approx((-mirrored.ci_high, -mirrored.ci_low))
    assert 0 < found.smallest_detectable <= 1


def test_many_pairs_give_the_normal_interval():
    found = compare(60_000, 8_000, 6_000, 26_000, 0.05)
    p, q, n = 0.08, 0.06, 100_000
    half = 1.96 * np.sqrt((p + q - (p - q) ** 2) / n)
    assert (found.ci_low, found.ci_high) == pytest.approx((0.02 - half, 0.02 + half), abs=2e-4)


def test_the_interval_covers_the_true_difference():
    rng = np.random.default_rng(5)
    shares = (0.5, 0.15, 0.1, 0.25)
    tables = rng.multinomial(60, shares, size=2000)
    held = [compare(*map(int, row), 0.05) for row in tables]
    assert 0.94 <= np.mean([one.ci_low <= 0.05 <= one.ci_high for one in held]) <= 0.99


@pytest.mark.parametrize(
    ("counts", "conclusion"),
    [
        ((950, 10, 10, 30), "not inferior"),
        ((40, 2, 3, 15), "undecided"),
        ((500, 0, 200, 300), "inferior"),
        ((1, 0, 0, 0), "undecided"),
    ],
)
def test_absence_of_difference_is_not_equality(counts, conclusion):
    assert compare(*counts, 0.05).conclusion == conclusion


def test_no_item_is_refused():
    with pytest.raises(ValueError, match="at least one item"):
        compare(0, 0, 0, 0, 0.05)


def test_rows_of_older_files_say_why_they_lack_it():
    row = {"what": "x", "n": 1, "left_out": 0, "both": 1, "only_this": 0, "only_other": 0, "neither": 0, "p_value": 1.0}
    changed = {"changed": {"only_this": [], "only_other": []}}
    other = {"path": "p", "created": "c", "model": "m"}
    data = results_of([judged("a", "pass")], comparison={"other": other, "rows": [row | changed]}, comparison_why=None)
    (written,) = data.model_dump(mode="json", by_alias=True)["comparison"]["rows"]
    assert written["difference"] is None
    assert written["difference_why"] == "written by an older version"
    assert "p_value_why" not in written
