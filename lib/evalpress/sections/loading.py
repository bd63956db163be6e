"""A finished report as objects: `evalpress.load("demo").benchmark.modes["eager"].workloads["decode"]`.

Reads results files only: no engine, no device and no params file are needed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evalpress.core import results
from evalpress.core.errors import UserError
from evalpress.core.paths import REPORTS, expanded, resolve, shown, told
from evalpress.core.validation import mistakes
from evalpress.sections.job import read_raw, read_results
from evalpress.sections.registry import SECTIONS, by_name
from evalpress.sections.summary.results import Summary

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Report:
    """The results of one report; each section is read on first use."""

    name: str
    folder: Path

    def __repr__(self) -> str:
        there = [section.name for section in SECTIONS if self._path(section.name).is_file()]
        return f"Report({self.name!r}, sections: {', '.join(there) or 'none'})"

    def __dir__(self) -> list[str]:
        sections = [section.name for section in SECTIONS]
        return sorted([*sections, "document", "folder", "frames", "name", "raw", "summary"])

    def document(self, section: str) -> results.Document[Any]:
        """A section's results file, validated: `.data`, `.provenance`, `.params`, `.created`.

        Raises:
            UserError: the section was not measured, or its file is unusable.
        """
        path = self._path(by_name(section).name)
        if not path.is_file():
            raise UserError(f"{told(path)}: no results; measure them with `make report SET={self.name}`")
        return read_results(path, section)

    def frames(self, section: str) -> dict[str, pandas.DataFrame]:
        """Every table of a section by the name of the function that makes it, numbers as numbers.

        Raises:
            UserError: as `document`.
        """
        document = self.document(section)
        made = {name: make(document) for name, make in _tables_of(section)}
        # In place of a table there may be a sentence with the reason.
        return {name: table.to_frame() for name, table in made.items() if hasattr(table, "to_frame")}

    def raw(self, section: str, name: str) -> Any:
        """Raw observations: what `results/raw/<section>-<name>.json` holds."""
        return read_raw(self.folder, by_name(section).name, name)

    @cached_property
    def setup(self) -> Any:
        """The model, its facts, the host, the versions and the run book."""
        return self.document("setup").data

    @cached_property
    def benchmark(self) -> Any:
        """Eager against compiled: start-up, memory, workloads, scaling."""
        return self.document("benchmark").data

    @cached_property
    def serving(self) -> Any:
        """The server under closed-loop and Poisson load."""
        return self.document("serving").data

    @cached_property
    def evidence(self) -> Any:
        """Answers at temperature 0 and the determinism checks."""
        return self.document("evidence").data

    @cached_property
    def alignment(self) -> Any:
        """Logits against the float32 reference."""
        return self.document("alignment").data

    @cached_property
    def quality(self) -> Any:
        """Quality cases with verdicts, and standard tasks."""
        return self.document("quality").data

    @cached_property
    def summary(self) -> Summary:
        """Verdict, gates, headline and conclusion.

        Raises:
            UserError: there is no summary, or the file is unusable.
        """
        path = self.folder / "summary.json"
        if not path.is_file():
            raise UserError(f"{told(path)}: no summary; make the report with `make report SET={self.name}`")
        try:
            return Summary.model_validate(results.read_json(path))
        except ValidationError as error:
            raise UserError(mistakes(error, Summary, lambda _: shown(path))[0]) from None

    def _path(self, section: str) -> Path:
        return self.folder / "results" / f"{section}.json"


def load(name: str = "demo", reports_dir: str | Path = REPORTS) -> Report:
    """A finished report, independent of Python's working directory.

    Args:
        name: a set's name, or the folder of a report (a published one, or one copied from another machine).
        reports_dir: the folder that holds one folder per set, relative to the project.

    Raises:
        UserError: there are no results.
    """
    given = expanded(name)
    folder = given if (given / "results").is_dir() else resolve(reports_dir) / name
    if not (folder / "results").is_dir():
        raise UserError(f"{told(folder)}: no results; measure them with `make report SET={name}`")
    return Report(folder.resolve().name, folder.resolve())


def _tables_of(section: str) -> Iterator[tuple[str, Any]]:
    """The functions of a section's table modules that make a table of its results file alone."""
    package = importlib.import_module(f"evalpress.sections.{section}")
    for found in pkgutil.iter_modules(package.__path__):
        if found.name == "tables" or found.name.endswith("_tables"):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            for name, make in inspect.getmembers(module, inspect.isfunction):
                if make.__module__ == module.__name__ and not name.startswith("_") and _takes_a_document(make):
                    yield name, make


def _takes_a_document(make: Any) -> bool:
    given = inspect.signature(make)
    required = [one.name for one in given.parameters.values() if one.default is inspect.Parameter.empty]
    return required == ["document"] and "Table" in str(given.return_annotation)
