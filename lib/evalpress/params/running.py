"""Parameters of the run itself and of the pages: they decide no measured number of a section."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evalpress.params.engine import Block

Language = Literal["en", "zh"]


class RunParams(Block):
    """How notebooks are executed."""

    timeout_s: Annotated[float, Field(gt=0)] = 3600
    """Longest time one notebook may take."""
    budget_minutes: Annotated[float, Field(gt=0)] | None = None
    """About how long the whole report may take. Every measured section then does less by the same factor, by a pilot
    of the host and by what the sections before it took: fewer blocks, requests, repeats, scaling points, further
    starts, positions, output tokens and questions. The report says what was left out. Each section keeps a least amount
    of work, so a small budget is exceeded. None: everything."""


class ReportParams(Block):
    """The languages of the pages. Another language measures nothing again and runs no notebook."""

    language: Language | None = None
    """The language of report.html and report.md; None: the first of `languages`, or en."""
    languages: tuple[Language, ...] = ()
    """All languages of the report: the first is report.html, every other one report.<language>.html."""

    @property
    def order(self) -> tuple[Language, ...]:
        """Every language, the one of report.html first."""
        first = self.language or (self.languages[0] if self.languages else "en")
        return (first, *(one for one in self.languages if one != first))

    @model_validator(mode="after")
    def _each_language_once(self) -> ReportParams:
        if len(set(self.languages)) != len(self.languages):
            raise ValueError("languages: name each language once")
        return self
