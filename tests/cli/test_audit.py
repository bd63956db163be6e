"""The verb audit: text for people, one JSON document for programs, exit codes."""

from __future__ import annotations

import json

import pytest
from evalpress import cli
from evalpress.core.paths import ROOT

CARD = str(ROOT / "params" / "claims" / "qwen2-0.5b-ascend910-card.yaml")


def test_broken_claims_are_told_and_end_in_1(capsys):
    assert cli.main(["audit", CARD]) == 1
    out = capsys.readouterr().out
    assert "broken  logits.The_capital_of_France_is.cosine_range" in out
    assert out.splitlines()[-1].startswith("12 broken, ")


def test_a_second_published_card_has_the_finding_that_was_checked_by_hand(capsys):
    """The card prints transformers 4.43.1; release 0.18.0 of vLLM-Ascend asks for 4.57.4 or newer. The rest holds."""
    card = ROOT / "params" / "claims" / "qwen2.5-coder-0.5b-ascend910-card.yaml"
    assert cli.main(["audit", str(card), "--json"]) == 1
    found = {row["id"]: row for row in json.loads(capsys.readouterr().out)}
    broken = [row for row in found.values() if row["status"] == "broken"]
    assert [row["id"] for row in broken] == ["environment.transformers"]
    assert (broken[0]["found"], broken[0]["expected"]) == ("4.43.1", ">=4.57.4")
    assert {found[f"environment.{name}"]["status"] for name in ("vllm", "vllm_ascend", "torch_npu", "cann")} == {"ok"}


def test_json_is_the_only_thing_on_stdout(capsys):
    assert cli.main(["audit", CARD, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {"id", "status", "statement", "found", "expected", "why"} == set(found[0])
    assert {row["status"] for row in found} == {"broken", "note", "ok"}


def test_the_template_is_a_card_without_a_broken_claim(capsys, tmp_path):
    assert cli.main(["audit", "--template"]) == 0
    path = tmp_path / "card.yaml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert cli.main(["audit", str(path)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "card.yaml: file not found"),
        ("", "card.yaml:1: (file): found nothing (null), allowed a mapping of keys"),
        ("- 1\n", "card.yaml:1: (file): found (1,) (list), allowed a mapping of keys"),
        ("source: 3\n", "card.yaml:1: source: found 3 (whole number), allowed a mapping of keys"),
        ("source: {}\nspeed: {ttft: {mean: 20}}\n", "card.yaml:2: speed.ttft.mean: found 20, allowed the number as"),
    ],
)
def test_an_unusable_file_is_one_line_each_and_2(capsys, tmp_path, text, told):
    path = tmp_path / "card.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert cli.main(["audit", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err


def test_no_file_at_all_is_one_line(capsys):
    assert cli.main(["audit"]) == 2
    assert "name a claims file" in capsys.readouterr().err
