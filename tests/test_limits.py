"""Limits of size that keep files readable: lines of a file and lines of a function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from evalpress.core.paths import ROOT

FILE_LINES = 300
FUNCTION_LINES = 50
FILES = sorted(path for folder in ("lib", "tests", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def long_functions(source: str) -> list[str]:
    """Functions of more than FUNCTION_LINES lines, decorators not counted."""
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    sizes = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in found}
    return [f"{name}: {lines} lines" for name, lines in sizes.items() if lines > FUNCTION_LINES]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= FILE_LINES
    assert long_functions(source) == []


def test_a_long_function_is_found() -> None:
    body = "\n".join(["    x = 1"] * FUNCTION_LINES)
    assert long_functions(f"def long():\n{body}\n") == ["long: 51 lines"]
    assert len(FILES) > 300
