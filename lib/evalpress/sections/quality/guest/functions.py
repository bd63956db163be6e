"""Runs inside the sandbox: defines model-written Python and calls one function, call by call.

It reports the returned values and judges nothing: the expected values stay outside, so that a program cannot pass
by printing a verdict, patching `==` or forging a report. Standard input is the specification
as JSON (`source`, `function`, `calls`, `nonce`); the report is one line, the nonce and JSON.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from typing import Any, TypedDict

_MESSAGE = 200
"""Longest message of an error, in characters."""


class Calls(TypedDict):
    """Standard input: the model's text, the function that is called (None: the first), the arguments of each call."""

    source: str
    function: str | None
    calls: list[list[Any]]
    nonce: str


class Result(TypedDict, total=False):
    """What one call returned or raised."""

    value: Any
    error: str


class Report(TypedDict, total=False):
    """The report: why the function cannot be defined, or the results; `program`: the text holds another program."""

    problem: str
    program: bool
    results: list[Result]


def find_code(text: str, function: str | None) -> tuple[str, str]:
    """The Python in `text` that defines `function` (None: any function), and its name; empty when there is none.

    Without a name the first function is meant that no other function of the code calls.

    A fenced block that defines it is taken before running text. Trailing lines that do not parse are cut
    off, because a completion often stops in the middle of one.
    """
    fenced = [part.partition("\n")[2] for part in text.split("```")[1::2]]
    for block in [*fenced, text]:
        lines = block.splitlines() if "def" in block else []
        for end in range(len(lines), 0, -1):
            source = "\n".join(lines[:end]) + "\n"
            names = _functions(source)
            if function in names or (function is None and names):
                return source, function or _outermost(source, names)
    return "", function or "a function"


def _functions(source: str) -> list[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def _has_program(text: str) -> bool:
    """Whether a fenced block, or the text itself, is Python that computes something without defining a function."""
    fenced = [part.partition("\n")[2] for part in text.split("```")[1::2]]
    for block in fenced or [text]:
        try:
            tree = ast.parse(block)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if any(isinstance(node, ast.If | ast.For | ast.While | ast.Assign | ast.ClassDef) for node in tree.body):
            return True
    return False


def _outermost(source: str, names: list[str]) -> str:
    """The first function that no other function calls; the first one where each is called."""
    called = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            inside = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            called |= inside - {node.name}
    return next((name for name in names if name not in called), names[0])


def _error(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:_MESSAGE]
    except BaseException:
        return "an exception that cannot be printed"


def report(spec: Calls) -> Report:
    """Define the function and call it."""
    source, name = find_code(spec["source"], spec["function"])
    if not source:
        found = Report(problem=f"no Python that defines {name}()".replace("a function()", "a function"))
        if _has_program(spec["source"]):
            found["program"] = True
        return found
    names: dict[str, Any] = {"__name__": "model_output"}
    stopped = ""
    try:
        exec(compile(source, "model_output.py", "exec"), names)
    except BaseException as error:
        stopped = _error(error)
    function = names.get(name)
    if not callable(function):
        return {"problem": f"{name}() was never defined: {stopped or 'it is not callable'}"}
    results: list[Result] = []
    for call in spec["calls"]:
        try:
            value = function(*call)
            json.dumps(value)
            results.append({"value": value})
        except BaseException as error:
            results.append({"error": _error(error)})
    return {"results": results}


def main() -> None:
    """Entry point. What the program prints goes to standard error, the report alone to standard output."""
    spec: Calls = json.loads(sys.stdin.read())
    channel = os.dup(1)
    os.dup2(2, 1)
    line = (spec["nonce"] + json.dumps(report(spec)) + "\n").encode()
    while line:
        line = line[os.write(channel, line) :]
    os._exit(0)


if __name__ == "__main__":
    main()
