"""Answers that were made elsewhere: the verb `judge`."""

from __future__ import annotations

import json

import pytest
from evalpress import cli
from evalpress.sections.quality import elsewhere
from evalpress.sections.quality.cases import load_cases
from hypothesis import given, settings
from hypothesis import strategies as st

CASES = load_cases(elsewhere.default_files())

RIGHT = {"case": "card-capital-of-france", "output": "The capital of France is Paris.", "finish_reason": "stop"}
WRONG = {"case": "four-pens", "output": "4 pens cost 14 dollars.", "finish_reason": "stop"}
CUT = {"case": "four-pens", "output": "So, 4 pens would cost 12 * 3 =", "finish_reason": "length"}
OPEN = {"case": "lost-robot", "output": "The robot was lost.", "finish_reason": None}


def lines(path, *answers):
    path.write_text("".join(json.dumps(one) + "\n" for one in answers), encoding="utf-8")
    return str(path)


def test_json_has_the_keys_of_the_contract_and_the_status_says_whether_one_fails(tmp_path, capsys):
    path = lines(tmp_path / "a.jsonl", RIGHT, WRONG, CUT, OPEN)
    assert cli.main(["judge", path, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(one["case"], one["verdict"]) for one in found] == [
        ("card-capital-of-france", "pass"),
        ("four-pens", "fail"),
        ("four-pens", "cut"),
        ("lost-robot", "needs_review"),
    ]
    assert all(one["reason"] for one in found)
    assert cli.main(["judge", lines(tmp_path / "b.jsonl", RIGHT, CUT, OPEN)]) == 0
    assert capsys.readouterr().out.endswith("1 pass, 1 cut, 1 needs_review of 3\n")


def test_cases_of_a_file_and_the_kind_of_model(tmp_path, capsys):
    cases = tmp_path / "cases.yaml"
    head = "cases:\n  - {id: x, category: knowledge, language: en, prompt: p, "
    cases.write_text(head + "checker: {answer: {exact: {values: [yes]}}}}\n".replace("[yes]", '["yes"]'))
    path = lines(tmp_path / "a.jsonl", {"case": "x", "output": "yes\nand more"})
    assert cli.main(["judge", path, "--cases", str(cases), "--kind", "base"]) == 0
    assert cli.main(["judge", path, "--cases", str(cases)]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", ":1: found no answer"),
        (b"{", ":1: not JSON: "),
        (b"\n[1]\n", ":2: found [1] (list), allowed a JSON object"),
        (b'{"case": "x"}', ":1: output: missing"),
        (b'{"case": "four-pens", "output": 12}', ":1: output: found 12 (whole number), allowed text"),
        (b'{"case": "nobody", "output": ""}', ":1: case: found 'nobody', allowed card-capital-of-france, "),
        (b'{"case": "four-pens", "output": "\xff"}', ":1: found a byte that is not UTF-8"),
        (b"[" * 100_000, ":1: not JSON: "),
    ],
)
def test_unusable_input_is_one_line_with_its_place(tmp_path, capsys, text, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    assert cli.main(["judge", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert cli.main(["judge", str(tmp_path / "none.jsonl")]) == 2


@settings(max_examples=60, deadline=None)
@given(output=st.text(st.characters(), max_size=60), reason=st.sampled_from(["stop", "length", None]))
def test_any_text_is_judged(tmp_path_factory, output, reason):
    path = tmp_path_factory.mktemp("judge") / "a.jsonl"
    names = ("boiling-water", "summary-bees", "good-morning-to-chinese", "three-cat-names", "zh-three-plus-five")
    text = lines(path, *({"case": name, "output": output, "finish_reason": reason} for name in names))
    for kind in ("chat", "base"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(elsewhere, "load_cases", lambda _: CASES)
            found = elsewhere.judge(text, None, kind)
        assert [one.case for one in found] == list(names)
        json.dumps([one.model_dump(mode="json") for one in found]).encode()
        assert {one.verdict for one in found} <= {"pass", "fail", "cut", "needs_review"}
