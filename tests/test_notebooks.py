"""Every notebook is clean, short-celled and complete; git sees the library."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess

import nbformat
import pytest
from evalpress.core.paths import NOTEBOOKS, ROOT
from evalpress.sections import staleness
from evalpress.sections.registry import SECTIONS, SUMMARY

ALL = (*SECTIONS, SUMMARY)
EXPLORE = "95_explore"
"""Looks at finished reports and is part of none."""
SHOWS = re.compile(r"evalpress\.(display|report|run|cli)\b|evalpress\.sections\.\w+\.(\w*tables|\w*figures?|gates)$")
"""Modules that show, judge or run what a section measured."""


@pytest.fixture(params=[*(s.notebook for s in ALL), EXPLORE])
def notebook(request):
    return nbformat.read(NOTEBOOKS / f"{request.param}.ipynb", as_version=4)


def test_there_is_one_notebook_per_section():
    stems = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    assert stems == sorted([*(s.notebook for s in ALL), EXPLORE])


def test_valid_without_outputs_functions_or_long_cells(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    for cell in code:
        tree = ast.parse(cell.source)
        assert not any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in ast.walk(tree)
        )
        assert len(cell.source.splitlines()) <= 8


@pytest.mark.parametrize("section", ALL, ids=lambda s: s.name)
def test_one_parameters_cell_with_the_same_four_parameters(section):
    notebook = nbformat.read(NOTEBOOKS / f"{section.notebook}.ipynb", as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = [node.targets[0].id for node in ast.parse(tagged[0].source).body]
    assert names == ["set_name", "reports_dir", "measure", "overrides"]


def test_exactly_one_cell_carries_the_tag_of_parameters(notebook):
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells) == 1


def test_it_opens_with_one_cell_to_change_and_says_how_long_it_takes(notebook):
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(source.startswith("# Change this") for source in code) == 1 and code[0].startswith("# Change this")
    assert "outlook(job)" in code[1] or "a few seconds" in notebook.cells[0].source


def test_it_begins_with_its_one_title(notebook):
    titles = [
        line
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("# ")
    ]
    assert notebook.cells[0].source.startswith("# ")
    assert len(titles) == 1


@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: s.name)
def test_what_measures_never_imports_what_shows(section):
    reached = staleness.imports_of(section.module)
    assert section.module in reached
    assert [name for name in reached if SHOWS.match(name)] == []


def test_only_the_engine_package_imports_vllm():
    lib = ROOT / "lib" / "evalpress"
    importing = set()
    for path in lib.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [getattr(node, "module", "") or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if any(name.split(".")[0] == "vllm" for name in names):
                importing.add(path.relative_to(lib).parts[0])
    assert importing == {"engine"}


def test_git_sees_the_library():
    ignored = subprocess.run(["git", "-C", str(ROOT), "check-ignore", "-q", "lib/evalpress/__init__.py"], check=False)
    assert ignored.returncode == 1


def test_tables_and_figures_after_the_measuring_cell_leave_results_current(tmp_path, monkeypatch):
    (section,) = [one for one in SECTIONS if one.name == "quality"]
    before = staleness.notebook_cells(section)
    notebook = nbformat.read(NOTEBOOKS / f"{section.notebook}.ipynb", as_version=4)
    at = next(i for i, cell in enumerate(notebook.cells) if "steps.result(" in cell.source)
    del notebook.cells[at + 1 :]
    nbformat.write(notebook, tmp_path / f"{section.notebook}.ipynb")
    monkeypatch.setattr(staleness, "NOTEBOOKS", tmp_path)
    assert staleness.notebook_cells(section) == before
    notebook.cells[at].source += "  # changed"
    nbformat.write(notebook, tmp_path / f"{section.notebook}.ipynb")
    assert staleness.notebook_cells(section) != before


SHOWN = re.compile(r"^from evalpress\.sections\.(\w+) import (.*)$", re.MULTILINE)


def test_completion_offers_the_tables_and_figures_that_a_notebook_shows_and_no_imports(notebook):
    for package, names in SHOWN.findall("\n".join(c.source for c in notebook.cells if c.cell_type == "code")):
        for name in re.findall(r"\w*tables|\w*figures?", names):
            module = importlib.import_module(f"evalpress.sections.{package}.{name}")
            own = vars(module)
            assert dir(module) and all(own[one].__module__ == module.__name__ for one in dir(module))
            used = set(re.findall(rf"\b{name}\.(\w+)\(", "\n".join(c.source for c in notebook.cells)))
            assert used <= set(dir(module))
