"""The catalogues are complete: nothing missing, stale or fuzzy, and every value is there in both languages."""

from __future__ import annotations

import importlib.util

import pytest
from babel.messages.pofile import read_po, write_po
from evalpress.core.paths import ROOT
from evalpress.display import catalogue, language


def script():
    spec = importlib.util.spec_from_file_location("messages", ROOT / "scripts" / "messages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


messages = script()


@pytest.mark.parametrize("name", language.OTHERS)
def test_every_text_has_a_translation_with_the_same_values(name):
    assert messages.mistakes(name) == [], "run make messages and translate what it lists"


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A catalogue of which four texts are known, and a function that changes it."""
    known = {"Left out: {names}.": ["a.py"], "not measured": ["a.py"], "gone": ["a.py"], "all": ["a.py"]}
    monkeypatch.setattr(messages, "extracted", lambda: known)
    monkeypatch.setattr(messages, "path", lambda _: tmp_path / "zh.po")
    made = messages.template()
    for one in made:
        if one.id:
            one.string = {"Left out: {names}.": "省略：{names}。", "gone": "已消失"}.get(one.id, "文本")

    def write():
        with (tmp_path / "zh.po").open("wb") as file:
            write_po(file, made)
        return messages.mistakes("zh")

    return made, known, write


def test_a_complete_catalogue_has_no_mistakes(planted):
    assert planted[2]() == []


def test_a_missing_a_stale_and_a_fuzzy_text_are_found(planted):
    made, known, write = planted
    made["not measured"].string = ""
    made["all"].flags.add("fuzzy")
    del known["gone"]
    assert sorted(one.split(":")[0] for one in write()) == ["fuzzy", "missing", "stale"]


def test_values_that_differ_are_found(planted):
    made, _, write = planted
    made["Left out: {names}."].string = "省略：{name}。"
    assert write() == ["other values: Left out: {names}.: 省略：{name}。"]


def test_texts_of_python_are_its_sentences_with_values_and_alternatives():
    source = '''
"""A docstring is none."""
raise UserError("nor is an error")
x = {"a key": f"{len(rows)} of {row.total} row{'' if n == 1 else 's'} left", "b": "no blank in it"}
y = ("Decide with ", Code("x y"), " or here.")
z = f"{fmt(a)} and {fmt(a)} again"
'''
    assert list(dict.fromkeys(messages.of_python(source))) == [
        "{rows} of {total} row left",
        "{rows} of {total} rows left",
        "no blank in it",
        "Decide with {code} or here.",
        "Decide with ",
        " or here.",
        "{a} and {a_2} again",
    ]


def test_texts_of_templates_and_notebooks():
    assert list(messages.of_template('{{ _("Skip to it") }} {{ other("x") }} say("Copy")')) == ["Skip to it", "Copy"]
    cell = '{"cells": [{"cell_type": "markdown", "source": ["# Title\\n", "\\n", "A paragraph."]}]}'
    assert [text for text in messages.of_notebook(cell) if text] == ["Title", "A paragraph."]


def test_the_catalogue_is_a_file_of_the_package():
    for name in language.OTHERS:
        assert catalogue.path(name).is_relative_to(ROOT / "lib" / "evalpress")
        with catalogue.path(name).open("rb") as file:
            assert len(read_po(file, locale=name)) > 1000
