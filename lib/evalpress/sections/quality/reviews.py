"""People's verdicts on outputs that no rule decides: `params/reviews/<set>.yaml`, bound to the exact output."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalpress.core import paths, results
from evalpress.core.errors import UserError
from evalpress.core.validation import KeyPath, line_of, mistake, mistakes
from evalpress.core.yaml12 import load_yaml
from evalpress.sections.job import read_results
from evalpress.sections.quality.results import JudgedCase

_HEADER = """\
# People's verdicts on cases that no rule decides. Each is bound to the sha256 of the output that was seen:
# when the model answers differently, the verdict is void and the case needs review again.
"""


class Review(BaseModel):
    """One person's verdict on one output."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    case: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    verdict: Literal["pass", "fail"]
    reviewer: Annotated[str, Field(pattern=r"\S")]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    comment: str = ""


def output_digest(output: str) -> str:
    """sha256 of an output's UTF-8 bytes, in hex. Stray surrogates are kept apart rather than refused."""
    return hashlib.sha256(output.encode("utf-8", "surrogatepass")).hexdigest()


def path_of(set_name: str) -> Path:
    """The file that holds the verdicts on a set's outputs."""
    return paths.PARAMS / "reviews" / f"{set_name}.yaml"


def load_reviews(path: Path) -> dict[str, Review]:
    """The verdicts by case; empty when there is no review yet.

    Raises:
        UserError: `file:line: …` for anything but a list of complete verdicts, one per case.
    """
    if not path.exists():
        return {}
    data, marks = load_yaml(path)
    file = paths.shown(path)
    entries = data.get("reviews") if isinstance(data, dict) and data.keys() == {"reviews"} else None
    if not isinstance(entries, list):
        raise UserError(f"{file}:1: allowed is the one key 'reviews' with a list of verdicts")
    found: dict[str, Review] = {}
    for index, entry in enumerate(entries):
        line = marks[("reviews", index)]
        try:
            review = Review.model_validate(entry)
        except ValidationError as problem:
            at: KeyPath = ("reviews", index)
            told = mistakes(problem, Review, lambda key: f"{file}:{line_of(marks, key)}", at)
            raise UserError(told[0]) from None
        if review.case in found:
            raise UserError(f"{file}:{line}: case {review.case!r} has two verdicts, allowed one")
        found[review.case] = review
    return found


def pending(cases: Iterable[JudgedCase]) -> list[JudgedCase]:
    """The judged cases that wait for a person, to be answered with `record`."""
    return [case for case in cases if case.verdict == "needs_review"]


def record(
    set_name: str,
    case: str,
    verdict: str,
    reviewer: str,
    comment: str = "",
    reports_dir: str | Path = paths.REPORTS,
    on: date | None = None,
) -> Review:
    """Write a person's verdict on the output that the set's report shows for `case`, in place of an earlier one.

    Raises:
        UserError: no such report or case, a case that its rule decides, or a verdict other than pass and fail.
    """
    document = read_results(paths.resolve(reports_dir) / set_name / "results" / "quality.json", "quality")
    judged = {item.id: item for item in document.data.cases}
    if case not in judged:
        raise UserError(f"case: found {case!r}, allowed {', '.join(judged)}")
    if judged[case].rule_verdict != "needs_review":
        raise UserError(f"case {case!r}: its rule decides it ({judged[case].rule_verdict}), a person cannot")
    try:
        review = Review(
            case=case,
            sha256=judged[case].sha256,
            verdict=verdict,  # type: ignore[arg-type]
            reviewer=reviewer,
            date=(on or date.today()).isoformat(),
            comment=comment,
        )
    except ValidationError as problem:
        raise UserError(mistake(problem.errors()[0], Review)) from None
    path = path_of(set_name)
    _write(path, load_reviews(path) | {case: review})
    return review


def _write(path: Path, reviews: Mapping[str, Review]) -> None:
    lines = [_HEADER + "reviews:"]
    for _, review in sorted(reviews.items()):
        fields = [f"{key}: {_scalar(value)}" for key, value in review.model_dump().items()]
        lines += [f"  - {fields[0]}", *[f"    {field}" for field in fields[1:]]]
    results.write_text(path, "\n".join(lines) + "\n")


def _scalar(text: str) -> str:
    """A text as a quoted YAML scalar, which every YAML reader takes as text."""
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9).strip()
