"""Parts of the checkers of code: the report of a run, equality of JSON values, commands of a script."""

from __future__ import annotations

import jsonschema
import pytest
from evalpress.sections.quality.checkers.code import commands, read_report, same
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow


@settings(max_examples=200, deadline=None)
@given(stdout=st.one_of(st.binary(max_size=200), st.binary(max_size=50).map(lambda data: b"nonce" + data)))
def test_any_report_is_read_without_raising(stdout):
    assert isinstance(read_report(stdout, "nonce"), dict | None)


JSON = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(one=JSON, other=JSON)
def test_same_is_equality_of_json_values(one, other):
    """Reference: JSON Schema's `const`, which tells true from 1 and takes 1.0 for 1."""
    assert same(one, one, 0.0)
    assert same(one, other, 0.0) == jsonschema.Draft202012Validator({"const": other}).is_valid(one)


def test_same_allows_rounding_only():
    assert same(0.1 + 0.2, 0.3, 1e-9)
    assert same([1, {"a": 2.0}], [1, {"a": 2}], 0.0)
    assert not same(0.31, 0.3, 1e-9)
    assert not same("0.3", 0.3, 1e-9)
    assert not same(float("nan"), 0.3, 1e-9)


@pytest.mark.parametrize(
    ("script", "called"),
    [
        ("ls -l | grep x && wc -l < f", ["ls", "grep", "wc"]),
        ("for f in *.py; do cat $f; done", ["cat"]),
        ("A=1 B=2 env python3", ["env"]),
        ("find . -exec rm {} \\;", ["find"]),
        ("if test -f x\nthen echo yes; fi", ["test", "echo"]),
        ("echo 'a; b | c' > ls", ["echo"]),
        ("sudo /usr/sbin/ip a", ["ip"]),
        ("echo $(date +%s) `whoami`", ["echo", "date", "whoami"]),
        ("ls \\\n  -l", ["ls"]),
        ("", []),
    ],
)
def test_commands_of_a_script(script, called):
    assert commands(script) == called
