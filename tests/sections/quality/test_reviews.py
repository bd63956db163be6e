"""Verdicts of people: recorded, refused, voided by another output."""

from __future__ import annotations

from datetime import date

import pytest
from evalpress.core.errors import UserError
from evalpress.sections.quality import judging, reviews
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_samples import OUTPUTS, by_id


def test_a_person_decides_and_a_changed_output_voids_it(cases, report):
    reviews.record("mine", "poem", "pass", "Ada", 'it rhymes: "red" # yes', report, date(2026, 11, 22))
    stored = reviews.load_reviews(reviews.path_of("mine"))
    poem = by_id(judging.judge(cases, OUTPUTS, stored, "base"))["poem"]
    assert (poem.verdict, poem.decided_by, poem.rule_verdict) == ("pass", "Ada", "needs_review")
    assert poem.review.model_dump() == {
        "reviewer": "Ada",
        "date": "2026-11-22",
        "verdict": "pass",
        "comment": 'it rhymes: "red" # yes',
    }
    assert "Ada (2026-11-22): pass" in poem.reason

    changed = OUTPUTS | {"poem": {"output": "Roses are red."}}
    poem = by_id(judging.judge(cases, changed, stored, "base"))["poem"]
    assert (poem.verdict, poem.decided_by) == ("needs_review", "nobody yet")
    assert poem.reason.endswith("the verdict of Ada (2026-11-22) is void, because the output has changed")
    assert poem.review is None


def test_a_person_does_not_overrule_a_rule(cases, report):
    with pytest.raises(UserError, match="case 'fact': its rule decides it"):
        reviews.record("mine", "fact", "fail", "Ada", reports_dir=report)
    forced = {
        "sum": reviews.Review(
            case="sum", sha256=reviews.output_digest(" 5"), verdict="pass", reviewer="Ada", date="2026-11-22"
        )
    }
    assert by_id(judging.judge(cases, OUTPUTS, forced, "base"))["sum"].verdict == "fail"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine", "ode", "pass", "Ada"), "case: found 'ode', allowed fact, sum, poem, song"),
        (("mine", "poem", "good", "Ada"), "verdict: found 'good' (text), allowed 'pass' or 'fail'"),
        (("mine", "poem", "pass", " "), "reviewer: found ' '"),
        (("other", "poem", "pass", "Ada"), "quality.json: file not found"),
    ],
)
def test_bad_verdicts_are_refused_and_nothing_is_written(report, arguments, message):
    with pytest.raises(UserError) as caught:
        reviews.record(*arguments, reports_dir=report)
    assert message in str(caught.value)
    assert not reviews.path_of("mine").exists()


def test_recording_keeps_the_others_and_replaces_the_same(report):
    reviews.record("mine", "poem", "pass", "Ada", reports_dir=report)
    reviews.record("mine", "song", "fail", "Bob", "two words", reports_dir=report)
    reviews.record("mine", "poem", "fail", "Eve", reports_dir=report)
    stored = reviews.load_reviews(reviews.path_of("mine"))
    assert {case: (review.verdict, review.reviewer) for case, review in stored.items()} == {
        "poem": ("fail", "Eve"),
        "song": ("fail", "Bob"),
    }
    assert [path.name for path in reviews.path_of("mine").parent.iterdir()] == ["mine.yaml"]


def test_pending_lists_what_waits(cases):
    rows = reviews.pending(judging.judge(cases, OUTPUTS, {}, "base"))
    assert [row.id for row in rows] == ["poem", "song"]
    assert rows[0].reason == "for a person to judge: is it a poem?"
    assert rows[0].sha256 == reviews.output_digest("Roses are red")


@settings(max_examples=50, deadline=None)
@given(reviewer=st.text(min_size=1, max_size=20).filter(lambda text: text.strip()), comment=st.text(max_size=40))
def test_any_name_and_comment_survive_the_file(tmp_path_factory, reviewer, comment):
    path = tmp_path_factory.mktemp("reviews") / "x.yaml"
    review = reviews.Review(
        case="1e5", sha256="0" * 64, verdict="pass", reviewer=reviewer, date="2026-01-02", comment=comment
    )
    reviews._write(path, {"1e5": review})
    assert reviews.load_reviews(path) == {"1e5": review}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('verdict: "pass"', "verdict: maybe", ":6: verdict: found 'maybe' (text), allowed 'pass' or 'fail'"),
        ("sha256: ", "sha: ", ":5: sha: unknown key; did you mean 'sha256'?"),
        ("reviews:", "review:", ":1: allowed is the one key 'reviews'"),
        ('date: "2026-11-22"', "date: today", ":8: date: found 'today'"),
    ],
)
def test_mistakes_in_the_file_are_named_with_their_line(report, old, new, message):
    reviews.record("mine", "poem", "pass", "Ada", reports_dir=report, on=date(2026, 11, 22))
    path = reviews.path_of("mine")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError) as caught:
        reviews.load_reviews(path)
    assert f"mine.yaml{message}" in str(caught.value)


def test_two_verdicts_on_one_case_are_refused(report):
    reviews.record("mine", "poem", "pass", "Ada", reports_dir=report)
    path = reviews.path_of("mine")
    text = path.read_text()
    path.write_text(text + text[text.index("  - case") :])
    with pytest.raises(UserError, match="case 'poem' has two verdicts"):
        reviews.load_reviews(path)
