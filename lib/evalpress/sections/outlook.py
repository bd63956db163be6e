"""What a notebook shows before it measures: what is stored and how long that took here. Not part of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from evalpress.core.errors import UserError
from evalpress.core.results import Document
from evalpress.display import text as t
from evalpress.display.blocks import MimeBundle, bundle
from evalpress.display.values import moment
from evalpress.sections.job import Job, Stages, completed, read_results
from evalpress.sections.registry import SUMMARY

T = TypeVar("T")
_STYLE = """
.ep-table :is(td, th, tr) { text-align: left !important; vertical-align: top !important; }
.ep-table .num { text-align: right !important; }
.ep-table caption { text-align: left; font-weight: 600; white-space: nowrap; }
.ep-table pre, .ep-details pre { white-space: pre-wrap; }
.ep-anchor { display: none; }
.ep-pass { color: #0d7a3e; } .ep-warn, .ep-needs_review { color: #8a5a00; } .ep-fail { color: #b3261e; }
[data-jp-theme-light="false"] .ep-pass { color: #4ec98a; }
[data-jp-theme-light="false"] :is(.ep-warn, .ep-needs_review) { color: #e3b04b; }
[data-jp-theme-light="false"] .ep-fail { color: #ff8a80; }
"""
"""For tables in JupyterLab, which does not load the report's style sheet."""


@dataclass(frozen=True)
class Outlook:
    """Two sentences for the reader of a notebook; the report leaves them out."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> MimeBundle:
        return bundle("outlook", self.text, html=f"<style>{_STYLE}</style><pre>{t.escape_html(self.text)}</pre>")


def outlook(job: Job) -> Outlook:
    """What this section has stored, how long measuring it took here, and what `job.run` will do."""
    name, path = job.section.name, job.result_path
    if name == SUMMARY.name:
        return Outlook("Nothing is measured here: the next cell judges the stored results, in a second.")
    try:
        stored = read_results(path, name) if path.is_file() else None
    except UserError as error:
        return Outlook(f"The stored results of {name} cannot be used: {error}. {_WILL[job.measure]}")
    if stored is None:
        return Outlook(f"{name.capitalize()} was not measured here yet, so how long it takes is unknown. {_RUNS}")
    took = _took(str(stored.provenance.get("start", "")), str(stored.provenance.get("end", "")))
    return Outlook(f"{name.capitalize()} was measured here on {moment(stored.created)}{took}. {_WILL[job.measure]}")


class Steps(Generic[T]):
    """A measurement that a notebook makes stage by stage, with something to look at after each.

    >>> steps = Steps(job, section.stages)
    >>> steps.next()
    >>> result = steps.result()
    """

    def __init__(self, job: Job, measure: Callable[[Job], Stages[T]]) -> None:
        self._stages = job.stages(measure)
        self._result: Document[T] | None = None

    def next(self) -> Outlook:
        """Run the next stage; returns what it found. The report omits these findings and shows the results."""
        if self._result is not None:
            return Outlook(_STORED)
        try:
            name, found = next(self._stages)
        except StopIteration as end:
            self._result = end.value
            return Outlook(_STORED)
        return Outlook(f"{name}\n{_written(found)}")

    def result(self) -> Document[T]:
        """The section's results, after all stages that are left."""
        if self._result is None:
            self._result = completed(self._stages)
        return self._result


_STORED = "Stored results are used: no stage is left to run."


def _written(found: Any, indent: str = "") -> str:
    """Findings by name, one below the other."""
    if not isinstance(found, Mapping):
        return f"{indent}{found!r}"
    return "\n".join(f"{indent}{name}:\n{_written(one, indent + '  ')}" for name, one in found.items())


_RUNS = "The next cell measures it."
_WILL = {
    "auto": "The next cell shows it, and measures again only if parameters, code, model or engine changed.",
    "always": "The next cell measures it again.",
    "never": "The next cell only shows it.",
}


def _took(start: str, end: str) -> str:
    """ " in 2 min 3 s"; empty where it is not known."""
    try:
        seconds = int((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
    except ValueError:
        return ""
    return f" in {seconds // 60} min {seconds % 60} s" if seconds >= 60 else f" in {seconds} s"
