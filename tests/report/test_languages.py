"""A report in two languages: two pages that link to each other, from the same executed notebooks."""

from __future__ import annotations

import re

import pytest
import sample_report
from evalpress.core.errors import UserError
from evalpress.display import figure_style, figure_text, language
from evalpress.params import load
from evalpress.report import render
from evalpress.report.publish import publish


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "demo"
    return folder, sample_report.write(folder)


@pytest.fixture(scope="module")
def report(told):
    folder, more = told
    render(folder, sample_report.TITLE, **more, languages=("en", "zh"))
    return folder


def read(folder, name):
    return (folder / name).read_text(encoding="utf-8")


def test_each_language_has_its_pages_and_they_link_to_each_other(report):
    page, other = read(report, "report.html"), read(report, "report.zh.html")
    assert '<html lang="en">' in page and '<html lang="zh-CN">' in other
    assert 'href="report.zh.html"' in page and 'href="report.html"' in other
    assert "\n- 平台：CPU" in read(report, "report.zh.md") and "\n- Platform: CPU" in read(report, "report.md")
    assert "[中文](report.zh.md)" in read(report, "report.md")
    assert "[English](report.md)" in read(report, "report.zh.md")
    assert "目录" in other and "展开全部章节" in other
    assert "目录" not in page


def test_anchors_and_numbers_are_the_same_in_every_language(report):
    pages = [read(report, name) for name in ("report.html", "report.zh.html")]
    ids, numbers = ([re.findall(pattern, page) for page in pages] for pattern in (r' id="([^"]+)"', r">([\d.,]{4,})<"))
    assert ids[0] == ids[1]
    assert numbers[0] == numbers[1] and numbers[0]


def test_the_markdown_of_each_language_shows_its_own_pictures(report):
    for name in ("report.md", "report.zh.md"):
        shown = re.findall(r"\]\((report_files/[^)]+)\)", read(report, name))
        assert shown and all((report / one).is_file() for one in shown)
        assert all((".zh." in one) == (name == "report.zh.md") for one in shown)


def test_english_pages_do_not_depend_on_the_other_languages(told, report, tmp_path):
    both = read(report, "report.md")
    links = "English · [中文](report.zh.md)\n\n"
    render(report, sample_report.TITLE, **told[1])
    alone = read(report, "report.md")
    assert both.replace(links, "") == alone
    assert not list(report.glob("report.zh.*"))
    render(report, sample_report.TITLE, **told[1], languages=("zh", "en"))
    assert '<html lang="zh-CN">' in read(report, "report.html") and (report / "report.en.html").is_file()
    render(report, sample_report.TITLE, **told[1], languages=("en", "zh"))


def test_publishing_takes_every_language_along(report, tmp_path):
    publish(report, tmp_path, "demo")
    published = tmp_path / "demo"
    assert '<a href="../index.zh.html">全部报告</a>' in read(published, "report.zh.html")
    assert '<a href="../index.html">all reports</a>' in read(published, "report.html")
    (dated,) = (path for path in published.iterdir() if re.match(r"\d{4}-", path.name))
    assert 'href="../../index.zh.html"' in read(dated, "report.zh.html")
    assert (published / "report.zh.md").is_file()


def test_the_list_is_there_in_each_language_and_leads_to_pages_in_it(report, tmp_path):
    publish(report, tmp_path, "demo")
    here, there = read(tmp_path, "index.zh.html"), read(tmp_path, "index.html")
    assert '<html lang="zh-CN">' in here and '<a href="index.html" lang="en"' in here
    assert '<html lang="en">' in there and '<a href="index.zh.html" lang="zh-CN"' in there
    assert '<th scope="row"><a href="demo/report.zh.html">' in here
    assert '<th scope="row"><a href="demo/report.html">' in there
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", here, flags=re.DOTALL)
    assert not re.search(r"[a-z]{3,} [a-z]{3,}", words.replace("demo model (synthetic)", "")), words


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ({}, ("en", "zh")),
        ({"report.language": "zh"}, ("zh", "en")),
        ({"report.language": "zh", "report.languages": ["zh"]}, ("zh",)),
        ({"report.languages": ["en"]}, ("en",)),
    ],
)
def test_the_first_language_is_the_one_of_the_set(given, order):
    assert load("demo", given).report.order == order


def test_an_unknown_language_is_refused():
    with pytest.raises(UserError, match=r"report\.language.*found 'fr'"):
        load("demo", {"report.language": "fr"})


def test_labels_of_figures_are_translated_in_a_font_that_has_their_letters(monkeypatch):
    monkeypatch.setattr(figure_text, "translated", lambda text: {"decode": "解码"}.get(text, text))
    monkeypatch.setattr(figure_style.figure_text, "families", lambda _: ("DejaVu Sans",))
    with figure_style.canvas(2) as (figure, (axes,)):
        figure_style.name_rows(axes, ["decode"])
        made = figure_style.finish(figure, "alt", "caption")
    assert "解码" in made.others["zh"] and "解码" not in made.svg


def test_without_a_font_labels_stay_and_the_caption_says_so(monkeypatch):
    monkeypatch.setattr(figure_style.figure_text, "families", lambda _: ())
    with figure_style.canvas(2) as (figure, _):
        made = figure_style.finish(figure, "alt", "caption")
    here = made._repr_mimebundle_()[1]["evalpress"]["languages"]["zh"]
    assert here["image/svg+xml"] == made.svg
    assert "没有可用的中文字体" in here["caption"]
    assert language.current() == "en"
