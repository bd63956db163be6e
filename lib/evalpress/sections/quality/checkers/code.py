"""Rules on code: Python functions against tests, Bash syntax and commands, in the sandbox."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalpress.sections.quality import sandbox
from evalpress.sections.quality.checkers.base import Checker, Judgement, code_blocks, decide, quoted, register
from evalpress.sections.quality.checkers.text import Texts
from evalpress.sections.quality.guest import functions

NOT_EXECUTED = "not executed: no sandbox holds on this host; read the code and run it where one does"


class FunctionTest(BaseModel):
    """One call and the value that it must return, or several any of which is right (JSON; a tuple is a list)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    args: list[Any]
    expect: Any = None
    expect_any: list[Any] = []

    @model_validator(mode="after")
    def _expects_something(self) -> FunctionTest:
        if ("expect" in self.model_fields_set) == bool(self.expect_any):
            raise ValueError("give either 'expect' or a list 'expect_any'")
        return self

    @property
    def right(self) -> list[Any]:
        """The values that count as right."""
        return self.expect_any or [self.expect]


@register("python_function")
class PythonFunction(Checker):
    """The Python in the output defines `function`, and every call of it returns what the test expects.

    Without `function` the first one that the output defines is meant. `prefix` is put before the output where
    the prompt already began the function. The values come out of the sandbox and are compared here, so the
    program never sees what is expected of it.
    """

    function: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    tests: Annotated[list[FunctionTest], Field(min_length=1)]
    prefix: str = ""
    tolerance: Annotated[float, Field(ge=0)] = 1e-9
    """Relative and absolute, for numbers that are not whole."""

    def check(self, output: str) -> Judgement:
        box = sandbox.find()
        if box is None:
            return Judgement("needs_review", NOT_EXECUTED)
        nonce = os.urandom(16).hex()
        spec = {
            "source": self.prefix + output,
            "function": self.function,
            "calls": [test.args for test in self.tests],
            "nonce": nonce,
        }
        outcome = box.run_python(inspect.getsource(functions), json.dumps(spec).encode(errors="replace"))
        if outcome.stopped:
            limit = "time" if outcome.stopped == "time" else "amount of output"
            return Judgement("fail", f"stopped in the sandbox at the limit on {limit}")
        report = read_report(outcome.stdout, nonce)
        if report is None:
            return Judgement("fail", f"the program ended before its tests (exit status {outcome.returncode})")
        if "problem" in report:
            return Judgement("fail", quoted(str(report["problem"]), 200))
        return self._compare(report.get("results"))

    def _compare(self, results: Any) -> Judgement:
        if not isinstance(results, list) or len(results) != len(self.tests):
            return Judgement("fail", "the program tampered with the report of its tests")
        name = self.function or "the function"
        wrong, right = "", 0
        for test, result in zip(self.tests, results, strict=True):
            returned = isinstance(result, dict) and "value" in result
            if returned and any(same(result["value"], value, self.tolerance) for value in test.right):
                right += 1
            elif not wrong:
                seen = f"returned {_shown(result['value'])}" if returned else f"raised {quoted(str(result), 120)}"
                call = f"{name}({', '.join(map(_shown, test.args))})"
                wrong = f"; {call} {seen}, expected {' or '.join(map(_shown, test.right))}"
        return decide(right == len(self.tests), f"{right} of {len(self.tests)} calls of {name}() right{wrong}")


def read_report(stdout: bytes, nonce: str) -> dict[str, Any] | None:
    """The one line that carries the nonce, as JSON; None when there is not exactly one."""
    lines = [line for line in stdout.decode(errors="replace").splitlines() if line.startswith(nonce)]
    try:
        report = json.loads(lines[0][len(nonce) :]) if len(lines) == 1 else None
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None


def same(found: Any, expected: Any, tolerance: float) -> bool:
    """Equality of JSON values; true is not 1, numbers that are not whole may differ by `tolerance`."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, float) or (isinstance(found, float) and isinstance(expected, int)):
        number = isinstance(found, int | float)
        return number and math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(expected, list) and isinstance(found, list):
        pairs = zip(found, expected, strict=False)
        return len(found) == len(expected) and all(same(one, other, tolerance) for one, other in pairs)
    if isinstance(expected, dict) and isinstance(found, dict):
        alike = found.keys() == expected.keys()
        return alike and all(same(found[key], expected[key], tolerance) for key in expected)
    return type(found) is type(expected) and bool(found == expected)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"


@register("bash")
class Bash(Checker):
    """The output is Bash that parses (`bash -n`, nothing is run) and calls the commands asked for.

    Of each entry of `uses` at least one command must be called. The script is the first fenced block, else
    the first line that is not blank.
    """

    uses: Annotated[list[Texts], Field(min_length=1)]

    def check(self, output: str) -> Judgement:
        script = (code_blocks(output) or [next(filter(str.strip, output.splitlines()), "")])[0]
        script = re.sub(r"^\s*\$ ", "", script)
        if not script.strip():
            return Judgement("fail", "contains no command")
        called = commands(script)
        missing = [" or ".join(wanted) for wanted in self.uses if not set(wanted) & set(called)]
        if missing:
            return Judgement("fail", f"{quoted(script)} does not call {', '.join(missing)}")
        box = sandbox.find()
        bash = Path("/usr/bin/bash") if Path("/usr/bin/bash").exists() else Path("/bin/bash")
        if box is None or not bash.exists():
            return Judgement("needs_review", NOT_EXECUTED if box is None else "there is no bash on this host")
        outcome = box.run([str(bash), "--norc", "--noprofile", "-n"], script.encode(errors="replace"))
        if outcome.returncode != 0 or outcome.stopped:
            return Judgement("fail", f"not valid Bash: {quoted(outcome.stderr.decode(errors='replace'), 160)}")
        return Judgement("pass", f"{quoted(script)} parses and calls {', '.join(called)}")


_BEFORE_COMMAND = {"then", "do", "else", "elif", "if", "while", "until", "!", "{", "time", "sudo", "exec", "xargs"}
"""Words after which the next word is a command as well."""
_KEYWORDS = {"for", "select", "case", "function", "done", "fi", "esac", "}", "[["}
"""First words of a simple command that name no program."""


def commands(script: str) -> list[str]:
    """The command words of a script: the first word of every simple command, in order, without repeats."""
    script = re.sub(r"\$\(|`", " ; ", script.replace("\\\n", " ")).replace("\n", " ; ")
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    found: dict[str, None] = {}
    expected = True
    try:
        for word in lexer:
            if set(word) <= set("();<>|&"):
                expected = not set(word) & set("<>")
            elif expected and word not in _BEFORE_COMMAND and not re.match(r"[A-Za-z_]\w*=", word):
                expected = False
                if word not in _KEYWORDS:
                    found[word.rpartition("/")[2]] = None
    except ValueError:  # an open quotation mark; bash -n says so better
        pass
    return list(found)
