"""Runs inside the sandbox: the tests of one programming problem against a model's program, in two processes.

The tests and what they expect are in the parent; the model's program runs in a child that was made before the parent
read anything. The tests' function is called through a pipe, so that the program gets arguments only and
cannot pass by printing a verdict, changing `==` or ending the process. Standard input is the specification as JSON
(`prompt`, `completion`, `test`, `entry_point`, `nonce`); the report is one line, the nonce and JSON.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypedDict

_MESSAGE = 200
_PR_SET_DUMPABLE = 4


class Problem(TypedDict):
    """Standard input."""

    prompt: str
    completion: str
    test: str
    entry_point: str
    nonce: str


class Verdict(TypedDict):
    """The report."""

    passed: bool
    why: str


class Answer(TypedDict, total=False):
    """One line from the program: it can be called, it returned a value (as `encode` writes it), or it raised."""

    ready: bool
    value: Any
    error: str


def encode(value: Any) -> Any:
    """A value as JSON that `decode` turns into an equal one; what has no literal form equals nothing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return {"i": str(int(value))}
    if isinstance(value, float):
        return {"f": float.__repr__(float(value))}
    if isinstance(value, complex):
        return {"c": [encode(value.real), encode(value.imag)]}
    if isinstance(value, str):
        return {"s": [ord(character) for character in value]}
    if isinstance(value, bytes):
        return {"b": list(value)}
    for kind, name in ((list, "l"), (tuple, "t"), (set, "e"), (frozenset, "z")):
        if isinstance(value, kind):
            return {name: [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"d": [[encode(key), encode(item)] for key, item in value.items()]}
    if hasattr(value, "__next__") or isinstance(value, range | type({}.keys()) | type({}.values())):
        return {"n" if hasattr(value, "__next__") else "l": [encode(item) for item in value]}
    return {"o": ""}


def decode(value: Any) -> Any:
    """The value that `encode` wrote. Raises ValueError on anything else."""
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("not an encoded value")
    (name, held), *_ = value.items()
    if name == "i":
        return int(held)
    if name == "f":
        return float(held)
    if name == "c":
        return complex(*map(decode, held))
    if name == "s":
        return "".join(map(chr, held))
    if name == "b":
        return bytes(held)
    if name == "d":
        return {decode(key): decode(item) for key, item in held}
    if name == "o":
        return object()
    makers: dict[str, Callable[[list[Any]], Any]] = {"l": list, "t": tuple, "e": set, "z": frozenset, "n": iter}
    return makers[name]([decode(item) for item in held])


def _error(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:_MESSAGE]
    except BaseException:
        return "an exception that cannot be printed"


def serve(requests: int, answers: int) -> None:
    """The child: run the program, then answer one call per line until the pipe closes."""
    with os.fdopen(requests, "rb") as read, os.fdopen(answers, "wb") as write:

        def say(answer: Answer) -> None:
            write.write(json.dumps(answer).encode() + b"\n")
            write.flush()

        names: dict[str, Any] = {"__name__": "model_output"}
        first = json.loads(read.readline())
        try:
            exec(first["source"], names)
            function = names[first["entry_point"]]
            say({"ready": True})
        except BaseException as error:
            say({"error": _error(error)})
            return
        for line in read:
            try:
                say({"value": encode(function(*decode(json.loads(line))))})
            except BaseException as error:
                say({"error": _error(error)})


def judge(spec: Problem, requests: int, answers: int) -> Verdict:
    """The parent: run the tests."""
    with os.fdopen(requests, "wb") as write, os.fdopen(answers, "rb") as read:

        def ask(message: Any) -> Answer:
            write.write(json.dumps(message).encode() + b"\n")
            write.flush()
            line = read.readline()
            found: Answer = json.loads(line) if line else {"error": "the program ended"}
            if not isinstance(found, dict):
                raise ValueError("not an answer")
            return found

        def candidate(*arguments: Any) -> Any:
            found = ask(encode(list(arguments)))
            if "value" not in found:
                raise RuntimeError(str(found.get("error")))
            return decode(found["value"])

        try:
            source = spec["prompt"] + spec["completion"]
            started = ask({"source": source + "\n", "entry_point": spec["entry_point"]})
            if not started.get("ready"):
                return {"passed": False, "why": str(started.get("error"))[:_MESSAGE]}
            # The prompt alone gives the tests the helpers that it defines; its function is only a docstring.
            names: dict[str, Any] = {"__name__": "tests"}
            exec(spec["prompt"] + "    pass\n" if _ends_open(spec["prompt"]) else spec["prompt"], names)
            exec(spec["test"], names)
            names[spec["entry_point"]] = candidate
            names["check"](candidate)
        except BaseException as error:
            return {"passed": False, "why": _error(error)}
    return {"passed": True, "why": "all tests pass"}


def _ends_open(prompt: str) -> bool:
    try:
        ast.parse(prompt)
    except SyntaxError:
        return True
    return False


def main() -> None:
    """Entry point. The child is made before anything is read; what the program prints is discarded."""
    to_child, from_parent = os.pipe()
    to_parent, from_child = os.pipe()
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # the child cannot look into this process
    if os.fork() == 0:
        os.close(from_parent)
        os.close(to_parent)
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        serve(to_child, from_child)
        os._exit(0)
    os.close(to_child)
    os.close(from_child)
    spec: Problem = json.loads(sys.stdin.read())
    report = judge(spec, from_parent, to_parent)
    os.write(1, (spec["nonce"] + json.dumps(report) + "\n").encode())
    os._exit(0)


if __name__ == "__main__":
    main()
