"""Rules on code: Python functions against tests, Bash syntax and commands, in the sandbox."""

from __future__ import annotations

import inspect
import json
import math
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import regex
from pydantic import BaseModel, ConfigDict, Field, model_validator

from evalpress.core.plain import Json
from evalpress.sections.quality import sandbox
from evalpress.sections.quality.checkers.base import Checker, Judgement, code_blocks, quoted, register
from evalpress.sections.quality.checkers.text import REGEX_SECONDS, Texts
from evalpress.sections.quality.guest import functions

NOT_EXECUTED = "not executed: no sandbox holds on this host; read the code and run it where one does"


class FunctionTest(BaseModel):
    """One call and the value that it must return, or several any of which is right (JSON; a tuple is a list)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    args: list[Any]
    expect: Any = None
    expect_any: list[Any] = []
    expect_match: str | None = None
    """A pattern (Python `regex` syntax) that the whole returned text matches, in place of a value."""
    edge: bool = False
    """An unusual argument: a function that is wrong here only is left to a person."""

    @model_validator(mode="after")
    def _expects_something(self) -> FunctionTest:
        given = ("expect" in self.model_fields_set, bool(self.expect_any), self.expect_match is not None)
        if sum(given) != 1:
            raise ValueError("give either 'expect' or a list 'expect_any' or a pattern 'expect_match'")
        return self

    def accepts(self, value: Any, tolerance: float) -> bool:
        """Whether a returned value (JSON) is right."""
        if self.expect_match is not None:
            matched = isinstance(value, str) and regex.fullmatch(self.expect_match, value, timeout=REGEX_SECONDS)
            return bool(matched)
        return any(same(value, right, tolerance) for right in self.right)

    @property
    def wanted(self) -> str:
        """What is expected, for a reason."""
        return f"text like {self.expect_match}" if self.expect_match else " or ".join(map(_shown, self.right))

    @property
    def right(self) -> list[Any]:
        """The values that count as right."""
        return self.expect_any or [self.expect]


@register("python_function")
class PythonFunction(Checker):
    """The Python in the output defines `function`, and every call of it returns what the test expects.

    Without `function` the first one that no other function calls is meant; then a program without a function, and a
    function that answers in other values (“Even”) or prints its answer, are left to a person. `prefix` is put
    before the output where the prompt already began the function. The values come out of the sandbox and are
    compared here, so the program never has access to the expected values.
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
            "source": self._source(output),
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
        if report.get("program") and self.function is None:
            return Judgement("needs_review", "Python without a function: read whether it does what was asked")
        if "problem" in report:
            return Judgement("fail", quoted(str(report["problem"]), 200))
        found = self._compare(report.get("results"), output)
        # In a closed block the function is finished.
        closed = output.count("```") >= 2 and output.count("```") % 2 == 0
        return replace(found, settled=found.settled or closed)

    def _source(self, output: str) -> str:
        """The output after `prefix`, unless it begins the function itself."""
        begins = self.function and re.match(rf"\s*def {self.function}\b", output)
        return output if begins else self.prefix + output

    def _compare(self, results: Any, output: str) -> Judgement:
        if not isinstance(results, list) or len(results) != len(self.tests):
            return Judgement("fail", "the program tampered with the report of its tests")
        returned = [one["value"] if isinstance(one, dict) and "value" in one else None for one in results]
        raised = not all(isinstance(one, dict) and "value" in one for one in results)
        right = [test.accepts(value, self.tolerance) for test, value in zip(self.tests, returned, strict=True)]
        if not all(right) and not raised and self.function is None and self._other_values(returned, "print(" in output):
            shown = ", ".join(map(_shown, returned[:4]))
            return Judgement("needs_review", f"returns {shown}, …, not the kind of value that the tests expect")
        reason = (
            f"{sum(right)} of {len(right)} calls of {self.function + '()' if self.function else 'the function'} right"
        )
        wrong = [at for at, good in enumerate(right) if not good]
        if not wrong:
            return Judgement("pass", reason, settled=True)
        reason += f"; {self._described(wrong[0], results[wrong[0]])}"
        return Judgement("needs_review" if all(self.tests[at].edge for at in wrong) else "fail", reason)

    def _other_values(self, returned: list[Any], prints: bool) -> bool:
        """Whether the function prints (returns nothing each time) or names each class by a text of its own."""
        if all(value is None for value in returned):
            return prints
        wanted = [json.dumps(test.right[0]) for test in self.tests]
        if not all(isinstance(value, str) for value in returned) or set(wanted) != {"true", "false"}:
            return False
        return not any("raise" in value.lower() or "error" in value.lower() for value in returned)

    def _described(self, at: int, result: Any) -> str:
        test = self.tests[at]
        returned = isinstance(result, dict) and "value" in result
        seen = f"returned {_shown(result['value'])}" if returned else f"raised {quoted(_message(result), 120)}"
        call = f"{self.function or 'the function'}({', '.join(map(_shown, test.args))})"
        return f"{call} {seen}, expected {test.wanted}"


def _message(result: Any) -> str:
    return str(result.get("error", result)) if isinstance(result, dict) else str(result)


def read_report(stdout: bytes, nonce: str) -> Json | None:
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
    """The output gives Bash that parses (`bash -n`, nothing is run) and calls the commands asked for.

    Of each entry of `uses` at least one command must be called; `matches` and `wrong` are patterns (Python `regex`
    syntax) for its arguments. Scripts are the fenced blocks, pieces between single backticks, lines after a `$`
    prompt, else the first line that is not blank. The first script that calls the commands is judged.
    """

    uses: Annotated[list[Texts], Field(min_length=1)]
    matches: str | None = None
    wrong: str | None = None

    def check(self, output: str) -> Judgement:
        scripts = [script for script in scripts_of(output) if script.strip()]
        if not scripts:
            return Judgement("fail", "contains no command")
        calling = [script for script in scripts if not self._missing(script)]
        if not calling:
            return Judgement("fail", f"{quoted(scripts[0])} does not call {', '.join(self._missing(scripts[0]))}")
        with_arguments = [script for script in calling if len(script.split()) > 1] or calling
        judged = [self._judged(script) for script in with_arguments[:8]]
        if judged[0].verdict != "pass" and any(one.verdict == "pass" for one in judged):
            good = next(one for one in judged if one.verdict == "pass")
            return Judgement("needs_review", f"first {judged[0].reason}; further on {good.reason}")
        return judged[0]

    def _missing(self, script: str) -> list[str]:
        called = set(commands(script))
        return [" or ".join(wanted) for wanted in self.uses if not set(wanted) & called]

    def _judged(self, script: str) -> Judgement:
        if self.wrong and regex.search(self.wrong, script, timeout=REGEX_SECONDS):
            return Judgement("fail", f"{quoted(script)} has wrong arguments ({self.wrong})")
        if self.matches and not regex.search(self.matches, script, timeout=REGEX_SECONDS):
            return Judgement("fail", f"{quoted(script)} has no arguments that match {self.matches}")
        box = sandbox.find()
        bash = Path("/usr/bin/bash") if Path("/usr/bin/bash").exists() else Path("/bin/bash")
        if box is None or not bash.exists():
            return Judgement("needs_review", NOT_EXECUTED if box is None else "there is no bash on this host")
        outcome = box.run([str(bash), "--norc", "--noprofile", "-n"], script.encode(errors="replace"))
        if outcome.returncode != 0 or outcome.stopped:
            return Judgement("fail", f"not valid Bash: {quoted(outcome.stderr.decode(errors='replace'), 160)}")
        return Judgement("pass", f"{quoted(script)} parses and calls {', '.join(commands(script))}", settled=True)


def scripts_of(output: str) -> list[str]:
    """What may be a script, in order of trust: fenced blocks, inline code, lines after `$ `, the first line."""
    fenced = code_blocks(output)
    outside = "".join(output.split("```")[::2])
    inline = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", outside)
    prompted = re.findall(r"^\s*\$ (.+)$", outside, re.MULTILINE)
    first = [] if fenced or inline or prompted else [next(filter(str.strip, output.splitlines()), "")]
    return [re.sub(r"^\s*\$ ", "", script, flags=re.MULTILINE) for script in (*fenced, *inline, *prompted, *first)]


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
    except ValueError:  # an open quotation mark; bash -n gives a better message
        pass
    return list(found)
