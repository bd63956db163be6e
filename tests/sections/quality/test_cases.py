"""Case files: what is accepted, and the one line that says where a mistake is."""

from __future__ import annotations

from collections import Counter

import pytest
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.sections.quality import judging
from evalpress.sections.quality.cases import CATEGORIES, load_cases
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = """\
description: two cases
cases:
  - id: one
    category: knowledge
    language: en
    prompt: The capital of France is
    sampling: {max_tokens: 8, stop: ["\\n"]}
    checker:
      contains: {all: [Paris]}
  - id: two
    category: chinese
    language: zh
    prompt: 中国的首都是
    checker:
      all_of:
        - contains: {all: [北京]}
        - length:
            max: 20
"""
SHIPPED = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "params" / "quality").glob("*.yaml"))


@pytest.fixture
def write(tmp_path):
    def write(text, name="cases.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_good_file(write):
    one, two = load_cases([write(GOOD)])
    assert (one.id, one.category, one.language, one.prompt) == ("one", "knowledge", "en", "The capital of France is")
    assert one.sampling.model_dump() == {"max_tokens": 8, "temperature": 0.0, "stop": ["\n"]}
    assert (one.source, two.source) == ("cases.yaml:3", "cases.yaml:10")
    assert two.sampling.max_tokens == 64
    assert one.rule("base").check("Paris").verdict == "pass"
    assert two.rule("base").check("北京").verdict == "pass"
    assert two.rule("base").check("北京" * 20).verdict == "fail"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: two", "id: one", ":10: case 'one': this id occurs twice, first at cases.yaml:3"),
        ("id: two", "id: Two words", ":10: case 'Two words': id: found 'Two words' (text), allowed"),
        (
            "category: chinese",
            "category: cooking",
            ":11: case 'two': category: found 'cooking' (text), allowed",
        ),
        ("language: zh", "language: fr", ":12: case 'two': language: found 'fr' (text), allowed 'en' or 'zh'"),
        ("    prompt: 中国的首都是\n", "", ":10: case 'two': prompt: missing, it must be given"),
        ("prompt: 中国的首都是", "prompt: 12", ":13: case 'two': prompt: found 12 (whole number), allowed text"),
        (
            "prompt: 中国的首都是",
            "promt: x",
            ":13: case 'two': promt: unknown key; did you mean 'prompt'?; allowed here: category, chat, checker",
        ),
        (
            "max_tokens: 8",
            "max_tokens: 0",
            ":7: case 'one': sampling.max_tokens: found 0 (whole number), allowed at least 1",
        ),
        (
            "max_tokens: 8",
            "max_token: 8",
            ":7: case 'one': sampling.max_token: unknown key; did you mean 'max_tokens'?; allowed here: max_tokens",
        ),
        (
            "contains: {all: [Paris]}",
            "contain: {}",
            ":9: case 'one': checker.contain: unknown checker 'contain', allowed all_of",
        ),
        ("contains: {all: [Paris]}", "contains:", ":9: case 'one': checker.contains: found nothing (null)"),
        (
            "{all: [Paris]}",
            "{every: [Paris]}",
            ":9: case 'one': checker.contains.every: unknown key; allowed here: all, any",
        ),
        (
            "max: 20",
            "max: many",
            ":18: case 'two': checker.all_of.1.length.max: found 'many' (text), allowed a whole",
        ),
        (
            "max: 20",
            "max: 20\n            mux: 1",
            ":19: case 'two': checker.all_of.1.length.mux: unknown key",
        ),
        (
            "checker:\n      contains: {all: [Paris]}",
            "checker: {}",
            ":8: case 'one': checker: found {} (mapping), allowed one checker",
        ),
        (
            "checker:\n      contains: {all: [Paris]}",
            "checker: Paris",
            ":8: case 'one': checker: found 'Paris' (text), allowed",
        ),
        (
            "description",
            "describtion",
            ":1: describtion: unknown key; did you mean 'description'?; allowed here: cases, description, source",
        ),
        ("    language: en\n", "    language: en\n    language: zh\n", ":6: key 'language' occurs twice"),
    ],
)
def test_mistakes_are_named_with_their_line(write, old, new, message):
    assert old in GOOD
    with pytest.raises(UserError) as caught:
        load_cases([write(GOOD.replace(old, new))])
    assert f"cases.yaml{message}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "- 1", "cases: []", "cases: 3", "cases: [1]", "cases: [{}]", "cases: [", "cases: {a: b}"]
)
def test_files_that_are_no_case_files(write, text):
    with pytest.raises(UserError, match=r"cases\.yaml(:\d+)?: "):
        load_cases([write(text)])


def test_missing_file():
    with pytest.raises(UserError, match="nowhere.yaml: file not found"):
        load_cases(["params/quality/nowhere.yaml"])


def test_ids_are_unique_across_files(write):
    with pytest.raises(UserError, match=r"b\.yaml:3: case 'one': this id occurs twice, first at a\.yaml:3"):
        load_cases([write(GOOD, "a.yaml"), write(GOOD, "b.yaml")])


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.sampled_from(["contains", "lines", "all_of"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["contains", "lines", "all_of", "min", "all", "x"]), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_any_checker_specification_is_accepted_or_refused_in_one_line(tmp_path_factory, spec):
    import json

    path = tmp_path_factory.mktemp("cases") / "cases.yaml"
    head = GOOD[: GOOD.index("      contains")].rstrip().removesuffix("checker:")
    path.write_text(f"{head}checker: {json.dumps(spec)}\n", encoding="utf-8")
    try:
        assert load_cases([str(path)])[0].rule("chat").judge("x").reason
    except UserError as error:
        assert str(error).startswith("cases.yaml:8: case 'one': ")
        assert "\n" not in str(error)


def test_shipped_cases_cover_the_card_and_every_category():
    cases = load_cases(SHIPPED)
    assert min(Counter(case.category for case in cases)[name] for name in CATEGORIES) >= 8
    card = [case for case in cases if case.source.startswith("params/quality/card.yaml")]
    assert [case.prompt[:14] for case in card] == [
        "What is the ca",
        "Explain machin",
        "Who wrote Rome",
        "What is 2+2?",
        "List three pri",
        "Python: check ",
        "Bash: list fil",
        "The Industrial",
        "写一首关于AI的四行诗",
        "解释TCP vs UDP (",
    ]
    assert list(Counter(case.group for case in card).values()) == [5, 2, 1, 2]
    assert len({case.prompt for case in cases}) == len(cases)
    assert {"python_function", "bash", "json_schema", "choice", "number"} <= {
        word for c in cases for word in str(c.checker).split("'")
    }


@pytest.mark.parametrize("case", load_cases(SHIPPED), ids=lambda case: case.id)
def test_shipped_rules_refuse_nonsense(case):
    """No rule passes an empty answer, the prompt said back, or an answer to something else."""
    for output in ("", " the the the", "I do not know what to say about this question.", case.prompt[:10]):
        for kind in ("chat", "base"):
            assert judging.verdict(case, output, "stop", kind).verdict == "fail", (output, kind)


def test_a_limit_takes_the_first_cases_of_each_file():
    files = ("params/quality/card.yaml", "params/quality/code.yaml")
    every, few = load_cases(files), load_cases(files, 2)
    assert [case.source.split(":")[0] for case in few] == [files[0]] * 2 + [files[1]] * 2
    assert [case for case in every if case.id in {one.id for one in few}] == list(few)
