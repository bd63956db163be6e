"""Published scores of standard tasks: `params/lm_eval/references.yaml`, always shown as claims with their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalpress.core import paths
from evalpress.core.errors import UserError
from evalpress.core.yaml12 import load_yaml
from evalpress.sections.quality.wording import explain

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
    """One score (a share) that someone published for a model, with the number of examples in the prompt."""

    model: str
    task: str
    metric: str
    score: float
    n_shot: int
    source: str

    def as_row(self) -> dict[str, Any]:
        """For a results file."""
        return {"score": self.score, "n_shot": self.n_shot, "source": self.source}


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
        error = min(problem.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = error["loc"]
        line = next((marks[place[:n]] for n in range(len(place), -1, -1) if place[:n] in marks), 1)
        fields = _Score.model_fields if len(place) > 1 else _File.model_fields
        key = ".".join(map(str, place))
        raise UserError(f"{paths.shown(path)}:{line}: {key}: {explain(error, fields)}") from None
    return [Reference(**one.model_dump(), source=found.source.strip()) for one in found.scores]
