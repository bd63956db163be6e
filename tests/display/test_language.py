"""Texts in another language: matched whole, with values, in parts; code and model output stay."""

from __future__ import annotations

import pytest
from evalpress.display import chinese, language
from evalpress.display.catalogue import Catalogue, fields
from evalpress.display.tables import Code, Column, Missing, Prose, Quantity, Table, Verdict

KNOWN = Catalogue(
    {
        "not measured": "未测量",
        "eager": "Eager",
        "compiled": "图模式",
        "tokens": "Token",
        "In {mode} mode the model generates {rate} tokens per second.": "{mode} 模式每秒生成 {rate} 个 Token。",
        "{n} of {of} prompts": "{of} 个输入中的 {n} 个",
        "Left out: {names}.": "省略：{names}。",
        "{n} of {of}": "{of} 中 {n}",
        "The gate {name} fails: found {found}.": "门禁 {name} 未通过：实测 {found}。",
        "Decide with {code} or here.": "用 {code} 判定，或在此判定。",
        "The limit is of {n} runs ({names}). Each was left out.": "限值取自{names}。依次各留出一个。",
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not measured", "未测量"),
        ("Not measured", "未测量"),
        (" not measured ", " 未测量 "),
        ("In compiled mode the model generates 1,234 tokens per second.", "图模式每秒生成 1,234 个 Token。"),
        ("12 tokens", "12 Token"),
        ("3 of 4 prompts", "4 个输入中的 3 个"),
        ("Left out: eager. 3 of 4 prompts", "省略：Eager。4 个输入中的 3 个"),
        ("eager, compiled", "Eager，图模式"),
        ("1.5 s (eager)", "1.5 s（Eager）"),
        (
            "Not measured. The limit is of 2 runs (sdpa; eager). Each was left out.",
            "未测量。限值取自 sdpa；Eager。依次各留出一个。",
        ),
        ("vLLM 0.32.0", "vLLM 0.32.0"),
        ("1,234.5", "1,234.5"),
        ("a kind of magic of this sort", "a kind of magic of this sort"),
        ("eager: “not measured, not measured”", "Eager：“not measured, not measured”"),
        ("Left out: eager, compiled and 12 tokens.", "省略：Eager、图模式和 12 Token。"),
        ("3 of 4 prompts and 1 of 2 prompts", "4 个输入中的 3 个和 2 个输入中的 1 个"),
        ("key_points: 3 of 4 prompts", "key_points：4 个输入中的 3 个"),
        ("Left out: eager. ([not measured](#a))", "省略：Eager。（[未测量](#a)）"),
    ],
)
def test_a_text_is_found_whole_with_its_values_or_in_parts(text, expected):
    assert KNOWN.text(text) == expected


def test_a_value_with_braces_or_patterns_in_it_is_a_value():
    told = KNOWN.text("The gate a.b fails: found {x} (.*).")
    assert told == "门禁 a.b 未通过：实测 {x} (.*)。"


def test_names_of_values_are_counted():
    assert fields("{a} of {b}, {a}") == {"a": 2, "b": 1}


def test_english_stays_as_it_is():
    assert language.current() == "en"
    assert language.translated("not measured") == "not measured"
    with pytest.raises(ValueError, match="found 'fr', allowed en, zh"), language.using("fr"):
        pass


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(language, "_catalogue", lambda _: KNOWN)


def test_the_parts_of_a_sentence_take_the_order_of_the_language(known):
    code = Code("make it")
    with language.using("zh"):
        assert language.sentence(["Decide with ", code, " or here."]) == ["用 ", code, " 判定，或在此判定。"]
    assert language.sentence(["Decide with ", code]) == ["Decide with ", code]


def test_an_output_carries_every_language_and_translates_no_code(known):
    rows = [["eager", Quantity(12, "tokens"), Code("not measured"), Missing("not measured")]]
    table = Table("compiled", ["not measured", Column("eager", "ms"), "code", "why"], rows, note="3 of 4 prompts")
    data, metadata = table._repr_mimebundle_()
    here = metadata["evalpress"]["languages"]["zh"]
    assert "not measured" in data["text/html"] and "图模式" not in data["text/html"]
    assert "<caption>图模式</caption>" in here["text/html"] and "Eager (ms)" in here["text/html"]
    assert "12 Token" in here["text/html"] and "4 个输入中的 3 个" in here["text/html"]
    assert here["text/html"].count("not measured") == 1  # the code
    assert "**图模式**" in here["text/markdown"] and "(1) 未测量" in here["text/markdown"]


def test_markdown_is_translated_by_paragraph_and_code_blocks_stay(known):
    source = "- not measured\n\n```text\nnot measured\n```\n\n3 of 4 prompts"
    with language.using("zh"):
        told = language.markdown(source)
    assert told == "- 未测量\n\n```text\nnot measured\n```\n\n4 个输入中的 3 个"
    assert Prose(source)._repr_mimebundle_()[0]["text/markdown"] == source


def test_a_percentage_has_no_blank_in_chinese(known):
    with language.using("zh"):
        assert language.translated("12.5 %") == "12.5%"


def test_a_verdict_in_chinese_has_the_word_of_its_badge():
    told = Verdict("pass", "x")._repr_mimebundle_()[1]["evalpress"]["languages"]["zh"]
    assert "通过" in told["text/html"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("平均（ms）", "平均 (ms)"),
        ("误差 (相对基准) 的上限", "误差（相对基准）的上限"),
        ("吞吐, tok/s: 图模式 1,198; Eager 974.7.", "吞吐，tok/s：图模式 1,198；Eager 974.7。"),
        ("位于 [−1, 1] 内", "位于 [−1, 1] 内"),
        ("设置 engine.tensor_parallel_size: 2", "设置 engine.tensor_parallel_size: 2"),
        ("transformers使2个回答改变", "transformers 使 2 个回答改变"),
        ("首 Token 延迟与 Token 间延迟", "首Token延迟与 Token间延迟"),
        ("Debian GNU/Linux 12 (bookworm), kernel", "Debian GNU/Linux 12 (bookworm), kernel"),
    ],
)
def test_a_chinese_text_has_the_signs_of_chinese(text, expected):
    assert chinese.set_right(text) == expected


def test_what_is_counted_is_named_without_the_word_that_follows_a_number():
    known = Catalogue({"positions": "个位置", "{n} in all": "共 {n}"})
    assert known.text("positions") == "位置"
    assert known.text("12 positions in all") == "共 12 个位置"
