"""`results/status.json`: the outcome of each section in the last run. Written by the run, read by the summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from evalpress.core import results
from evalpress.core.errors import UserError

NAME = "status.json"


class SectionState(BaseModel):
    """A section's state: done, skipped or failed; `not_shown` names tables and figures that could not be drawn."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    status: Literal["done", "skipped", "failed"]
    why: str | None = None
    not_shown: str | None = None

    def as_dict(self) -> dict[str, str]:
        """The fields that are not empty, as in the file."""
        return self.model_dump(exclude_none=True)


def read(folder: Path) -> dict[str, SectionState]:
    """The recorded state of each section. What is missing, cut off or of another shape counts as not recorded."""
    try:
        found = results.read_json(folder / "results" / NAME)
    except UserError:
        return {}
    sections = found.get("sections") if isinstance(found, dict) else None
    states: dict[str, SectionState] = {}
    for name, state in sections.items() if isinstance(sections, dict) else ():
        try:
            states[name] = SectionState.model_validate(state)
        except ValidationError:
            continue
    return states


def write(folder: Path, states: Mapping[str, SectionState]) -> None:
    """Record the states; a file that already has this content is left unchanged."""
    path = folder / "results" / NAME
    wanted = {"sections": {name: state.as_dict() for name, state in states.items()}}
    try:
        if results.read_json(path) == wanted:
            return
    except UserError:
        pass
    results.write_json(path, wanted)
