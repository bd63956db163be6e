"""Published scores of standard tasks: `params/lm_eval/references.yaml`, always shown as claims with their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalpress.core import paths
from evalpress.core.errors import UserError
from evalpress.core.validation import line_of, mistakes
from evalpress.core.yaml12 import load_yaml
from evalpress.sections.quality.results import PublishedScore

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)
_Text = Annotated[str, Field(pattern=r"\S")]


class _Score(BaseModel):
    model_config = _STRICT

    model: _Text
    task: _Text
    metric: _Text
    score: Annotated[float, Field(ge=0, le=1)]
    n_shot: Annotated[int, Field(ge=0)]


class _File(BaseModel):
    model_config = _STRICT

    source: _Text
    scores: Annotated[list[_Score], Field(min_length=1)]


@dataclass(frozen=True)
class Reference:
    """One published score (a share) of a model, with the number of examples in the prompt."""

    model: str
    task: str
    metric: str
    score: float
    n_shot: int
    source: str

    def published(self) -> PublishedScore:
        """For a results file."""
        return PublishedScore(score=self.score, n_shot=self.n_shot, source=self.source)


def load_references(name: str) -> list[Reference]:
    """All published scores of a file.

    Raises:
        UserError: `file:line: key: found …, allowed …`.
    """
    path = paths.resolve(name)
    data, marks = load_yaml(path)
    try:
        found = _File.model_validate(data)
    except ValidationError as problem:
        file = paths.shown(path)
        raise UserError(mistakes(problem, _File, lambda key: f"{file}:{line_of(marks, key)}")[0]) from None
    return [Reference(**one.model_dump(), source=found.source.strip()) for one in found.scores]
