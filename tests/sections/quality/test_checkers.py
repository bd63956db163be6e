"""Every checker, with outputs that must pass and outputs that must not; no checker raises on any text."""

from __future__ import annotations

import time

import pytest
from evalpress.sections.quality import checkers, sandbox
from evalpress.sections.quality.checkers.base import MAX_OUTPUT
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

# A host without a sandbox runs no model-written code: its cases wait for a person, which is tested without this mark.
needs_sandbox = pytest.mark.skipif(sandbox.find() is None, reason="no sandbox on this host")

LOOP = "I am a small model. " * 6
PERSON = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}, "id": {"pattern": "^x+$"}}}
ADD = {"function": "add", "tests": [{"args": [1, 2], "expect": 3}, {"args": [0.1, 0.2], "expect": 0.3}]}

# checker, arguments, outputs that pass, outputs that fail
EXAMPLES = [
    ("contains", {"any": ["Paris", "Lyon"]}, ["It is PARIS.", "in Lyon"], ["Parisian", "Rome", ""]),
    ("contains", {"all": ["red", "blue"]}, ["Blue and red"], ["red only", "reddish blue"]),
    ("contains", {"all": ["red"], "any": ["x", "y"]}, ["y red"], ["red", "x"]),
    ("contains", {"all": ["4"]}, ["2+2 = 4.", "is 4", "4"], ["14", "42", "x4"]),
    ("contains", {"all": ["4"], "whole": False}, ["42"], ["52"]),
    ("contains", {"all": ["Au"], "ignore_case": False}, ["Au."], ["au", "AU"]),
    ("contains", {"all": ["AI"]}, ["缩写是AI。", "ＡＩ"], ["said", "人工智能"]),
    ("contains", {"all": ["H2O"]}, ["H₂O is water"], ["H3O"]),
    ("contains", {"all": ["central processing unit"]}, ["the central\nprocessing  unit"], ["central unit"]),
    ("regex", {"pattern": r"^\d+$", "full": True}, [" 42\n"], ["42 x", ""]),
    ("regex", {"pattern": "hello", "ignore_case": True}, ["oh HELLO"], ["help"]),
    ("exact", {"values": ["Yes.", "Yes"]}, [" Yes \n"], ["yes", "Yes, sir"]),
    ("exact", {"values": ["yes"], "ignore_case": True}, ["YES"], ["no"]),
    ("number", {"value": 4}, ["4", "four is 4, not 5", "４"], ["5 or 4", "four", "2+2 = 4"]),
    ("number", {"value": 12, "which": "last"}, ["4 × 3 = 12 dollars."], ["12 or 13"]),
    ("number", {"value": 3.14, "tolerance": 0.01}, ["pi is 3.1416", "+3.14"], ["3.2", "-3.14"]),
    ("number", {"value": 1234567, "which": "any"}, ["x 1,234,567 y", "1.234567e6"], ["1,234"]),
    ("number", {"value": -5}, ["−5 °C"], ["5"]),
    (
        "choice",
        {"answer": "B", "options": ["A", "B", "C"]},
        ["B", "(B) Jupiter", "Answer: B. Not A"],
        ["A", "Bob", "D"],
    ),
    (
        "choice",
        {"answer": "yes", "options": ["yes", "no"], "ignore_case": True},
        ["Yes, no doubt"],
        ["No. Yes.", "know"],
    ),
    (
        "json_schema",
        {"schema": PERSON},
        ['{"age": 3}', 'Sure: {"age": 3, "id": "xx"} ok'],
        ['{"age": "3"}', "age", "{", "[]"],
    ),
    ("json_schema", {"schema": PERSON}, [], ['{"age": 3, "id": "y"}', "[" * 100_000, '{"a": NaN']),
    ("lines", {"min": 4, "max": 4}, ["a\nb\n\nc\nd\n"], ["a", "a\nb\nc\nd\ne"]),
    ("length", {"max": 5}, [" 12345 ", ""], ["123456"]),
    ("length", {"unit": "words", "min": 3, "max": 4}, ["one two three.", "春眠不觉"], ["two words", "a b c d e"]),
    ("language", {"language": "zh"}, ["今天 AI 很好"], ["good day", "12", "ありがとう"]),
    ("language", {"language": "en", "share": 0.9}, ["Good day, café!"], ["今天", "Доброе утро", ""]),
    (
        "repetition",
        {},
        ["2, 4, 6, 8, 10, 12, 14, 16, 18, 20", "ha ha ha ha", "", "-" * 80],
        [LOOP, "好" * 30, "深；" + "；" * 300, "－" * 400, "?!" * 100],
    ),
    ("repetition", {"max_repeats": 2}, ["a b c d e f g"], ["one two three four five six " * 2]),
    ("key_points", {"points": [["factory", "factories"], ["city"]]}, ["Factories in a city"], ["a factory"]),
    ("key_points", {"points": [["a"], ["b"], ["c"]], "recall": 0.66}, ["a c", "a b c"], ["b", "abc"]),
    ("first_line", {"number": {"value": 7}}, ["\n\n 7 apples\n8"], ["none\n7"]),
]

RUN_EXAMPLES = [
    (
        "python_function",
        ADD,
        ["def add(a, b):\n    return a + b", "Sure:\n```python\ndef add(a, b):\n    return b + a\n```\nas you see"],
        ["def add(a, b):\n    return a - b", "def plus(a, b): return a + b", "return a + b", ""],
    ),
    (
        "python_function",
        ADD | {"prefix": "def add(a, b):"},
        ["\n    return a + b\n\nprint(add(1, 2)"],
        ["\n    retur a"],
    ),
    (
        "python_function",
        {"tests": [{"args": [[3, 1, 2]], "expect_any": [[1, 2, 3], [3, 2, 1]]}]},
        ["def whatever(x):\n    return tuple(sorted(x))", "def f(x):\n    return sorted(x)[::-1]"],
        ["def f(x):\n    return x", "def f(x):\n    return {1, 2, 3}", "async def f(x):\n    return [1, 2, 3]"],
    ),
    (
        "bash",
        {"uses": [["find", "fd"]]},
        ["find . -mtime -1 | sort\nmore", "$ find /", "```bash\nls; find .\n```"],
        ["ls", ""],
    ),
    (
        "bash",
        {"uses": [["find"]]},
        ["sudo /usr/bin/find .", 'x=$(find . -name "*.py")'],
        ["find . | (", "echo find", "find 'x"],
    ),
]


def _cases(examples):
    for name, arguments, good, bad in examples:
        yield from ((name, arguments, output, "pass") for output in good)
        yield from ((name, arguments, output, "fail") for output in bad)


@pytest.mark.parametrize(("name", "arguments", "output", "verdict"), list(_cases(EXAMPLES)))
def test_examples(name, arguments, output, verdict):
    found = checkers.build({name: arguments}).check(output)
    assert (found.verdict, bool(found.reason)) == (verdict, True), found.reason


@needs_sandbox
@pytest.mark.parametrize(("name", "arguments", "output", "verdict"), list(_cases(RUN_EXAMPLES)))
def test_examples_that_run_something(name, arguments, output, verdict):
    found = checkers.check(name, output, **arguments)
    assert (found.verdict, bool(found.reason)) == (verdict, True), found.reason


def test_reasons_name_what_was_found_and_expected():
    assert checkers.check("number", "5", value=4).reason == "first number: 5; expected 4"
    assert checkers.check("lines", "a\nb", min=4).reason == "2 lines, expected at least 4"
    assert "not mentioned: “b”" in checkers.check("key_points", "a", points=[["a"], ["b"]]).reason
    two = checkers.check("json_schema", '```json\n{"a": 1}\n```\n}\nJSON: {"a": 1}', schema={})
    assert two.reason.endswith(
        'satisfies the schema: the first JSON value of the answer; after it comes “} JSON: {"a": 1}”'
    )
    assert checkers.check("json_schema", '```json\n{"a": 1}\n```', schema={}).reason.endswith("satisfies the schema")
    assert "at least 6 times" in checkers.check("repetition", LOOP, max_repeats=6).reason
    assert len(checkers.check("exact", "x" * 10_000, values=["y"]).reason) < 200


@needs_sandbox
def test_reason_of_a_wrong_function_names_the_call():
    found = checkers.check("python_function", "def add(a, b):\n    return 3", **ADD)
    nameless = checkers.check("python_function", "def add(a, b):\n    return a + b", tests=ADD["tests"])
    assert nameless.reason == "2 of 2 calls of the function right"
    assert found.reason == "1 of 2 calls of add() right; add(0.1, 0.2) returned 3, expected 0.3"
    found = checkers.check("python_function", "def add(a):\n    return 3", **ADD)
    assert "TypeError" in found.reason


VERDICTS = {
    "pass": {"exact": {"values": ["x"]}},
    "fail": {"exact": {"values": ["y"]}},
    "needs_review": {"review": {"look_at": "?"}},
}


@pytest.mark.parametrize(
    ("parts", "all_of", "any_of"),
    [
        (["pass", "pass"], "pass", "pass"),
        (["pass", "fail"], "fail", "pass"),
        (["fail", "fail"], "fail", "fail"),
        (["pass", "needs_review"], "needs_review", "pass"),
        (["fail", "needs_review"], "fail", "needs_review"),
        (["needs_review", "fail", "pass"], "fail", "pass"),
    ],
)
def test_composition(parts, all_of, any_of):
    rules = [VERDICTS[part] for part in parts]
    assert checkers.build({"all_of": rules}).check("x").verdict == all_of
    assert checkers.build({"any_of": rules}).check("x").verdict == any_of
    assert checkers.build({"all_of": [{"any_of": rules}]}).check("x").verdict == any_of


def test_review_always_asks_a_person():
    found = checkers.check("review", "", look_at="is it a poem?")
    assert found.verdict == "needs_review"
    assert "is it a poem?" in found.reason


@pytest.mark.parametrize(
    ("spec", "at", "message"),
    [
        ({"contian": {}}, ("contian",), "unknown checker 'contian', allowed all_of"),
        (
            {"contains": {"al": ["x"]}},
            ("contains", "al"),
            "unknown key; did you mean 'all'?; allowed here: all, any",
        ),
        ({"contains": {}}, ("contains",), "give texts in 'all' or in 'any'"),
        ({"contains": {"any": ["  "]}}, ("contains", "any", 0), "found '  '"),
        ({"contains": None}, ("contains",), "found nothing (null)"),
        ({"number": {"value": "4"}}, ("number", "value"), "found '4' (text), allowed a number"),
        ({"number": {}}, ("number", "value"), "missing, it must be given"),
        ({"number": {"value": 1, "which": "second"}}, ("number", "which"), "allowed 'first', 'last', 'any' or 'final'"),
        ({"regex": {"pattern": "("}}, ("regex", "pattern"), "not a regular expression"),
        ({"json_schema": {"schema": {"type": "thing"}}}, ("json_schema", "schema"), "not a JSON schema"),
        ({"json_schema": {"schema": {"patternProperties": {}}}}, ("json_schema", "schema"), "patternProperties"),
        ({"lines": {"min": 5, "max": 4}}, ("lines",), "min: found 5, allowed at most max = 4"),
        ({"lines": {}}, ("lines",), "give 'min', 'max' or both"),
        ({"choice": {"answer": "D", "options": ["A", "B"]}}, ("choice",), "answer: found 'D', allowed A, B"),
        ({"python_function": {"tests": []}}, ("python_function", "tests"), "at least 1 item"),
        ({"python_function": {"tests": [{"args": []}]}}, ("python_function", "tests", 0), "either 'expect' or"),
        ({"python_function": ADD | {"function": "a b"}}, ("python_function", "function"), "found 'a b'"),
        ({"all_of": []}, ("all_of",), "found [] (list), allowed a list of checkers"),
        ({"all_of": [{"lines": {"min": 1}}, {"nope": {}}]}, ("all_of", 1, "nope"), "unknown checker 'nope'"),
        ({"first_line": {"any_of": [{"x": {}}]}}, ("first_line", "any_of", 0, "x"), "unknown checker 'x'"),
        ({"review": {}, "lines": {"min": 1}}, (), "one checker's name"),
        ("contains", (), "one checker's name"),
    ],
)
def test_bad_arguments_are_refused(spec, at, message):
    with pytest.raises(checkers.SpecError) as caught:
        checkers.build(spec)
    assert message in str(caught.value)
    assert caught.value.at == at


def test_catastrophic_patterns_end(monkeypatch):
    """Both patterns take years with Python's `re` on this output."""
    monkeypatch.setattr("evalpress.sections.quality.checkers.text.REGEX_SECONDS", 0.2)
    monkeypatch.setattr("evalpress.sections.quality.checkers.structure.REGEX_SECONDS", 0.2)
    pattern, output = "(a|aa)+$", "a" * 60 + "!"
    start = time.monotonic()
    assert checkers.check("regex", output, pattern=pattern).verdict == "needs_review"
    schema = {"type": "array", "items": {"pattern": pattern}}
    assert checkers.check("json_schema", f'["{output}"]', schema=schema).verdict == "needs_review"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    "output", ["```" * 60_000, "[" * 150_000, "1" * 190_000, "1," * 90_000, "a " * 90_000, "'" * 1000]
)
@pytest.mark.parametrize(
    ("name", "arguments"), [(name, arguments) for name, arguments, _, _ in EXAMPLES + RUN_EXAMPLES]
)
def test_long_outputs_take_little_time(name, arguments, output):
    start = time.monotonic()
    checkers.check(name, output, **arguments)
    assert time.monotonic() - start < 20


def test_too_long_outputs_are_for_people():
    found = checkers.check("contains", "x" * (MAX_OUTPUT + 1), any=["x"])
    assert found.verdict == "needs_review"


PIECES = [
    *("```", "def add(a, b):", "    return ", "$(", "`", "'", '"', "{", "}", "[", "]", ",", ":", "1", "-", "e9", "\\"),
    *("\n", "\0", "\ud800", "\u2028", "北京", "A", "B ", "<<", ">", "|", ";", "(", ")", "#", "½", "İ", "ß"),
]
ANYTHING = st.one_of(
    st.text(st.characters(), max_size=300),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
)


@settings(max_examples=200, deadline=None)
@given(output=ANYTHING)
def test_no_checker_raises_on_any_output(output):
    for name, arguments, _, _ in EXAMPLES:
        found = checkers.build({name: arguments}).check(output)
        assert found.verdict in ("pass", "fail", "needs_review")
        assert found.reason


@needs_sandbox
@settings(max_examples=12, deadline=None)
@given(output=ANYTHING)
def test_no_running_checker_raises_on_any_output(output):
    for name, arguments, _, _ in RUN_EXAMPLES[1:4]:
        assert checkers.build({name: arguments}).check(output).verdict in ("pass", "fail")
