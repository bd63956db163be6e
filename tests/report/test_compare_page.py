"""The comparison page: valid and closed like a report's page, differences marked, changed cases and trends shown."""

from __future__ import annotations

import json
import re
import shutil
from types import SimpleNamespace

import html5lib
import pytest
import serving_samples
from evalpress import cli
from evalpress.core.paths import ROOT
from evalpress.report.compare import compared, serving
from evalpress.report.compare.between_runs import Machine
from evalpress.report.compare.page import languages_of, write
from evalpress.report.compare.run import Run
from evalpress.report.compare.tables import figure_words
from markdown_it import MarkdownIt

pytestmark = pytest.mark.slow

PUBLISHED = ROOT / "tests" / "data" / "report-0.1.0"


def changed(path, change):
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same run with another vLLM, a failed case with hostile text, and a later date."""
    folder = tmp_path_factory.mktemp("other") / "demo"
    shutil.copytree(PUBLISHED, folder)

    def version(document):
        document["provenance"]["versions"]["vllm"] = "0.18.0"
        document["provenance"]["end"] = "2026-11-24T10:00:00Z"

    def failed(document):
        version(document)
        case = next(one for one in document["data"]["cases"] if one["verdict"] == "pass")
        case |= {"verdict": "fail", "rule_verdict": "fail", "output": "<script>alert(1)</script> | ![x](http://e.x/)"}

    for path in (folder / "results").glob("*.json"):
        if path.name != "status.json":
            changed(path, failed if path.name == "quality.json" else version)
    return folder


@pytest.fixture(scope="module")
def pages(other, tmp_path_factory):
    return write(compared((str(PUBLISHED), str(other))), tmp_path_factory.mktemp("compare"), "both")


@pytest.fixture(scope="module")
def page(pages):
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(pages.html.read_text(encoding="utf-8"))


def text_of(node):
    return "".join(node.itertext())


def test_the_page_has_one_first_heading_and_asks_for_nothing(page):
    assert page.get("lang") == "en"
    assert len(list(page.iter("h1"))) == 1
    for node in page.iter():
        for name, value in node.attrib.items():
            assert not name.startswith("on") and name != "style"
            assert name not in ("src", "srcset", "data", "action") or value.startswith("data:")
        assert node.tag not in ("iframe", "object", "embed", "base", "form")
    assert all(node.get("href").startswith(("#", "data:,")) for node in page.iter() if node.get("href"))
    assert "default-src 'none'" in page.find("head/meta[@http-equiv]").get("content")
    assert "prefers-color-scheme" in "".join(text_of(node) for node in page.iter("style"))


def test_identities_are_unique_and_links_arrive(page):
    identities = [node.get("id") for node in page.iter() if node.get("id")]
    assert len(identities) == len(set(identities))
    assert {node.get("href")[1:] for node in page.iter("a")} <= set(identities)


def test_the_serving_curves_of_both_runs_are_one_figure_with_words(page):
    (picture,) = page.iter("img")
    assert picture.get("src").startswith("data:image/svg+xml;base64,")
    assert picture.get("alt").count("to the first token") == 16


def test_what_differs_between_the_runs_is_marked(page):
    table = next(node for node in page.iter("table") if "made with" in text_of(node.find("caption")))
    marked = {text_of(row) for row in table.iter("tr") if "differs" in text_of(row)}
    assert any("vllm" in row and "0.18.0" in row for row in marked)
    assert not any("processor" in row for row in marked)


def test_every_row_has_a_verdict_and_each_changed_case_both_answers(page, pages):
    text = text_of(page.find(".//main"))
    assert "no difference shown" in text and "not comparable" in text
    table = next(node for node in page.iter("table") if "another verdict" in text_of(node.find("caption")))
    assert "✗ fail" in text_of(table) and "<script>alert(1)</script>" in text_of(table)
    assert "http://e.x/" not in re.findall(r'src="([^"]*)"', pages.html.read_text(encoding="utf-8"))


def test_the_markdown_twin_has_the_same_tables_and_its_picture(page, pages):
    text = pages.markdown.read_text(encoding="utf-8")
    shown = MarkdownIt("commonmark").enable("table").render(text)
    assert shown.count("<table>") == len(list(page.iter("table")))
    assert "<script>" not in shown
    (picture,) = re.findall(r"\]\((both_files/[^)]+)\)", text)
    assert (pages.markdown.parent / picture).read_text(encoding="utf-8").startswith("<svg ")


def test_more_than_two_runs_are_followed(other, tmp_path, capsys):
    runs = [str(PUBLISHED), str(other), str(other)]
    assert cli.main(["compare", *runs, "--json", "--reports-dir", str(tmp_path), "--name", "three"]) == 0
    found = json.loads(capsys.readouterr().out)
    trend = next(one for one in found["trends"] if one["metric"] == "benchmark.eager.decode.output_throughput")
    assert len(trend["values"]) == 3 and trend["change"] == pytest.approx(1)
    assert trend["values"][0]["ci_low"] < trend["values"][0]["value"] < trend["values"][0]["ci_high"]
    page = (tmp_path / "compare" / "three.html").read_text(encoding="utf-8")
    assert '<h2 id="trend">Trend</h2>' in page and "order in which they were measured" not in page
    page = write(compared(runs[::-1]), tmp_path, "back").html.read_text(encoding="utf-8")
    assert "not given in the order in which they were measured" in page


def test_two_languages_are_two_pages_that_link_to_each_other(other, tmp_path):
    found = write(compared((str(PUBLISHED), str(other))), tmp_path, "two", ("zh", "en"))
    assert [path.name for path in found] == ["two.html", "two.md", "two.en.html", "two.en.md"]
    here, there = (path.read_text(encoding="utf-8") for path in (found.html, found.others[0]))
    assert '<html lang="zh-CN">' in here and 'href="two.en.html"' in here
    assert '<html lang="en">' in there and 'href="two.html"' in there
    for name in ("two.md", "two.en.md"):
        pictures = re.findall(r"\]\((two_files/[^)]+)\)", (tmp_path / name).read_text(encoding="utf-8"))
        assert pictures and all((tmp_path / one).is_file() for one in pictures)
    assert "[English](two.en.md)" in found.markdown.read_text(encoding="utf-8")
    write(compared((str(PUBLISHED), str(other))), tmp_path, "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["two.html", "two.md", "two_files"]


def test_no_english_sentence_is_left_in_the_chinese_page(other, tmp_path):
    runs = [str(PUBLISHED), str(other), str(other)]
    page = write(compared(runs), tmp_path, "zh", ("zh",)).html.read_text(encoding="utf-8")
    parsed = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    for node in parsed.iter():
        if node.tag in ("code", "style", "script", "pre"):
            node.clear()
    told = [text.strip() for text in parsed.find("body").itertext()]
    told += [node.get(name) for node in parsed.iter() for name in ("alt", "aria-label", "title") if node.get(name)]
    names = {"Evalpress demo model", "avx2, avx512f, avx512_vnni, avx512_bf16"}
    assert [text for text in told if re.search(r"[a-z]{2,}[ ,:][ ]?[a-z]{3,}", text) and text not in names] == []


def test_the_languages_are_those_of_the_reports_unless_others_are_asked_for(other, tmp_path):
    runs = compared((str(PUBLISHED), str(other))).runs
    assert languages_of(runs) == ("en",)
    (other / "report.zh.html").write_text('<!doctype html>\n<html lang="zh-CN">\n', encoding="utf-8")
    try:
        assert languages_of(runs) == ("zh",)
    finally:
        (other / "report.zh.html").unlink()
    arguments = ["compare", str(PUBLISHED), str(other), "--reports-dir", str(tmp_path), "--name", "x"]
    assert cli.main([*arguments, "--language", "zh"]) == 0
    assert '<html lang="zh-CN">' in (tmp_path / "compare" / "x.html").read_text(encoding="utf-8")
    assert cli.main([*arguments, "--language", "fr"]) == 2


def test_the_page_is_written_unless_json_alone_is_asked_for(other, tmp_path, capsys):
    assert cli.main(["compare", str(PUBLISHED), str(other), "--json", "--reports-dir", str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == []
    assert cli.main(["compare", str(PUBLISHED), str(other), "--reports-dir", str(tmp_path)]) == 0
    assert {path.suffix for path in (tmp_path / "compare").iterdir() if path.is_file()} == {".html", ".md"}
    assert cli.main(["compare", str(PUBLISHED), str(other), "--name", "../up"]) == 2
    assert "--name: found '../up'" in capsys.readouterr().err


def server(factor=1.0, **changed):
    """A run with two repeats of four loads, `factor` times the time."""
    levels = []
    for concurrency in (1, 2, 4, 8):
        repeats = [
            serving_samples.repeat(
                serving_samples.closed(concurrency, 40 + concurrency + extra, factor * 0.01, factor * 0.002),
                concurrency,
            )
            for extra in range(2)
        ]
        levels.append(serving_samples.level("eager", concurrency, repeats, **changed))
    data = SimpleNamespace(levels=levels, rates=(), saturation={}, servers={})
    return Run(ROOT, "run", {"serving": SimpleNamespace(data=data)})


def test_loads_of_two_servers_are_judged_with_intervals():
    same = list(serving.rows(server(), server(), Machine(), ""))
    assert len(same) == 12 and {row.verdict for row in same} == {"no_difference"}
    slower = {row.metric: row for row in serving.rows(server(), server(1.5), Machine(), "")}
    row = slower["serving.eager.concurrency_4.output_throughput"]
    assert row.verdict == "worse" and row.ci_low < row.ratio < row.ci_high < 1
    moved = serving.rows(server(), server(1.5), Machine(drifts=(0.3, 0.3)), "")
    assert {row.verdict for row in moved} == {"no_difference"}


def test_loads_that_are_not_alike_are_not_compared():
    rows = list(serving.rows(server(), server(input_len=32), Machine(), ""))
    assert {(row.verdict, row.why) for row in rows} == {("not_comparable", "other requests: input_len 16 and 32")}
    bound = serving.rows(server(), server(client_bound=True), Machine(), "")
    assert {row.verdict for row in bound} == {"not_comparable"}


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("benchmark.eager.decode.mean_ttft_ms", "eager, decode: time to first token"),
        ("benchmark.speed_up.decode", "decode: compiled against eager"),
        ("benchmark.speed_up.no_fusion.decode", "decode: no fusion against eager"),
        ("startup_cold.compiled.total_s", "compiled, first start: start-up, import to ready"),
        ("determinism.batch_of_all", "batch of all"),
        ("quality.code.pass_rate", "code: share passed"),
    ],
)
def test_a_figure_has_a_name_in_words(metric, said):
    assert figure_words(metric) == said


def test_a_cache_whose_size_is_set_is_neither_better_nor_worse(tmp_path):
    """vLLM 0.18 on CPU takes whole GiB: the set's eighth of one became eight times as many tokens."""

    def larger(document):
        for mode in document["data"]["modes"].values():
            mode["memory"]["kv_cache_tokens"] *= 8

    shutil.copytree(PUBLISHED, tmp_path / "a")
    shutil.copytree(PUBLISHED, tmp_path / "b")
    changed(tmp_path / "b" / "results" / "benchmark.json", larger)
    rows = {row.metric: row for row in compared((str(tmp_path / "a"), str(tmp_path / "b"))).rows}
    row = rows["memory.eager.kv_cache_tokens"]
    assert (row.verdict, row.why[:21], row.b / row.a) == ("not_comparable", "its size is a setting", 8)

    def unset(document):
        document["params"]["engine"]["kv_cache_gib"] = None

    for name in "ab":
        changed(tmp_path / name / "results" / "benchmark.json", unset)
    rows = {row.metric: row for row in compared((str(tmp_path / "a"), str(tmp_path / "b"))).rows}
    assert rows["memory.eager.kv_cache_tokens"].verdict == "better"


def test_a_variable_that_one_run_recorded_is_not_set_in_the_other(tmp_path):
    def space(document):
        document["provenance"]["environment"]["VLLM_CPU_KVCACHE_SPACE"] = "1"

    shutil.copytree(PUBLISHED, tmp_path / "a")
    for section in ("setup", "benchmark"):
        changed(tmp_path / "a" / "results" / f"{section}.json", space)
    found = compared((str(tmp_path / "a"), str(PUBLISHED)))
    said = {one.name: one.values for one in found.conditions}
    assert said["VLLM_CPU_KVCACHE_SPACE"] == ("1", "not set")
