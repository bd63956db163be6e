"""The two pages of a report, read back by independent parsers: valid, complete, closed, safe."""

from __future__ import annotations

import base64
import hashlib
import re
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import html5lib
import nbformat
import pytest
import sample_report
import samples
from evalpress.core.errors import UserError
from evalpress.display.tables import Code, Prose, Table, visible
from evalpress.report import render
from evalpress.report.exporters import _arriving
from markdown_it import MarkdownIt

pytestmark = pytest.mark.slow

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("report")
    render(where, sample_report.TITLE, **sample_report.write(where))
    return where


@pytest.fixture(scope="module")
def source(folder) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source) -> ET.Element:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(source)


@pytest.fixture(scope="module")
def tokens(folder) -> list:
    return MARKDOWN.parse((folder / "report.md").read_text(encoding="utf-8"))


def text_of(node: ET.Element) -> str:
    return "".join(node.itertext())


def inline(tokens: list, kind: str) -> list:
    return [child for token in tokens for child in token.children or [] if child.type == kind]


def headings(tokens: list) -> list[tuple[int, str]]:
    pairs = zip(tokens, tokens[1:], strict=False)
    return [
        (int(a.tag[1]), "".join(c.content for c in b.children if c.type in ("text", "code_inline")))
        for a, b in pairs
        if a.type == "heading_open"
    ]


def github_slugs(titles: list[str]) -> set[str]:
    """Anchors as github-slugger makes them."""
    seen: dict[str, int] = {}
    out = set()
    for title in titles:
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        out.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
        seen[slug] = seen.get(slug, 0) + 1
    return out


# The page


def test_the_page_has_a_language_a_title_and_one_first_heading(page):
    assert page.get("lang") == "en"
    assert page.find("head/title").text == sample_report.TITLE
    assert [text_of(node) for node in page.iter("h1")] == [sample_report.TITLE]
    levels = [int(node.tag[1]) for node in page.iter() if node.tag in ("h1", "h2", "h3", "h4", "h5", "h6")]
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    skip = page.find("body/a")
    assert skip.get("href") == "#content" and page.find(".//main").get("id") == "content"


def test_the_page_asks_for_nothing(page, source):
    loading = {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping", "manifest"}
    for node in page.iter():
        for name, value in node.attrib.items():
            if name in loading:
                assert value.startswith("data:"), (node.tag, name, value[:60])
            assert not name.startswith("on") and name != "style", (node.tag, name)
        assert node.tag not in ("iframe", "object", "embed", "base", "form")
        if node.tag == "link":
            assert node.get("href") == "data:,"
    style = "".join(text_of(node) for node in page.iter("style"))
    assert "url(" not in style and "@import" not in style and "@font-face" not in style
    policy = page.find("head/meta[@http-equiv]").get("content")
    assert "default-src 'none'" in policy


def test_the_only_script_is_the_one_that_the_policy_names(page):
    (script,) = page.iter("script")
    assert not script.attrib and "ResizeObserver" in script.text
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.find("head/meta[@http-equiv]").get("content")


def test_tables_and_figures_can_be_linked_to(page):
    found = [node.get("id") for node in page.iter() if "ep-output" in node.get("class", "").split()]
    assert {"summary-table-gates", "setup-table-model-table", "benchmark-figure-eager-vs-compiled"} <= set(found)
    tables = [
        node for node in page.iter("div") if node.get("class") == "ep-output" and node.find(".//table") is not None
    ]
    assert tables and all(node.get("id") for node in tables)


def test_sections_fold_below_their_introduction_and_the_summary_does_not(page):
    by_title = {text_of(node.find("h2")).rstrip("#"): node for node in page.iter("section")}
    folds = {title: node.find("details[@class='ep-fold']") for title, node in by_title.items()}
    assert {title for title, fold in folds.items() if fold is not None} == {
        "Setup", "Benchmark", "Evidence", "Alignment", "Quality",
    }  # fmt: skip
    assert text_of(folds["Benchmark"].find("summary")) == "Benchmark: 2 tables, 4 figures"
    assert "Both engines are resident" in by_title["Benchmark"].find("p").text
    assert folds["Benchmark"].find(".//h3") is not None


def test_links_to_tables_that_a_report_lacks_lead_to_the_section():
    assert _arriving('<p id="quality"><a href="#quality-table-pending">') == '<p id="quality"><a href="#quality">'
    assert _arriving('<p id="a-b"><a href="#a-b">') == '<p id="a-b"><a href="#a-b">'


def test_identities_are_unique_and_every_inner_link_arrives(page):
    identities = [node.get("id") for node in page.iter() if node.get("id")]
    assert len(identities) == len(set(identities))
    inner = [node.get("href")[1:] for node in page.iter("a") if node.get("href", "").startswith("#")]
    assert set(inner) <= set(identities) and "alignment" in inner
    labels = [node.get("aria-labelledby") for node in page.iter("section")]
    assert len(labels) == 8 and set(labels) <= set(identities)


def test_every_picture_has_an_alternative_text_and_is_a_closed_drawing(page):
    pictures = list(page.iter("img"))
    assert len(pictures) == 6
    for picture in pictures:
        assert len(picture.get("alt")) > 40
        assert picture.get("src").startswith("data:image/svg+xml;base64,")
    assert len([node for node in page.iter("figure") if text_of(node.find("figcaption")).strip()]) == 6


def test_every_table_has_a_caption_and_scoped_heads(page):
    tables = list(page.iter("table"))
    assert len(tables) >= 8
    for table in tables:
        assert text_of(table.find("caption")).strip()
        assert all(head.get("scope") in ("col", "row", "rowgroup") for head in table.iter("th"))
        assert table.find("thead") is not None


def test_contents_lead_to_every_section_in_order(page):
    lists = [nav for nav in page.iter("ol") if nav.find("li/a") is not None][:2]
    named = [[text_of(link) for link in contents.iter("a")] for contents in lists]
    assert named[0] == named[1]
    sections = [text_of(node.find("h2")).rstrip("#") for node in page.iter("section")]
    assert sections == [
        "Summary", "Setup", "Benchmark", "Serving", "Evidence", "Alignment", "Quality", "Determinism",
    ]  # fmt: skip
    assert [title for title in named[0] if title in sections] == sections


@pytest.mark.parametrize("hostile", [text for text in samples.HOSTILE if text.strip()])
def test_what_a_model_wrote_is_text_on_the_page(page, hostile):
    shown = [text_of(node) for node in page.iter() if node.tag in ("code", "pre")]
    # html5lib keeps the newline after <pre> inside a table cell; browsers and the standard drop it
    assert {visible(hostile), "\n" + visible(hostile)} & set(shown)


def test_failed_and_skipped_sections_say_so_and_show_no_result(page):
    by_title = {text_of(node.find("h2")).rstrip("#"): text_of(node) for node in page.iter("section")}
    assert "exit code 137" in by_title["Determinism"] and "half a result" not in by_title["Determinism"]
    assert "failed" in by_title["Determinism"] and "Same prompt, same bytes?" in by_title["Determinism"]
    assert "the parameter set runs no server" in by_title["Serving"]


def test_code_is_there_and_waits_for_the_toggle(page, source):
    assert page.find(".//input[@id='show-code']").get("type") == "checkbox"
    code = [text_of(node) for node in page.iter("pre") if "ep-code" in node.get("class", "")]
    assert any('set_name = "demo"' in text for text in code)
    assert ".ep-code { display: none" in source and ":has(#show-code:checked) .ep-code" in source


def test_engine_output_and_foreign_html_do_not_reach_the_pages(page, folder):
    assert "chatter" not in text_of(page) and "chatter" not in (folder / "report.md").read_text()
    assert visible(samples.HOSTILE[1]) in [text_of(node).strip() for node in page.iter("pre")]


# The Markdown


def test_the_markdown_has_one_first_heading_and_no_html_but_folds(tokens):
    assert [title for level, title in headings(tokens) if level == 1] == [sample_report.TITLE]
    html = [token.content.rstrip("\n") for token in tokens if token.type == "html_block"]
    html = [line for line in html if line not in ("<!-- files -->", "<!-- end of files -->")]
    assert all(re.fullmatch(r"<details><summary>[^<>]*</summary>|</details>", line) for line in html)
    assert html.count("</details>") * 2 == len(html) > 4
    assert not inline(tokens, "html_inline")
    assert "owned" not in [title for _, title in headings(tokens)]


def test_pictures_are_beside_the_markdown_and_have_alternative_texts(tokens, folder):
    pictures = inline(tokens, "image")
    named = {picture.attrs["src"] for picture in pictures}
    assert named == {f"report_files/{path.name}" for path in (folder / "report_files").iterdir()}
    assert len(pictures) == 6 and all(len(picture.content) > 40 for picture in pictures)
    for path in (folder / "report_files").iterdir():
        ET.parse(path)


def test_links_of_the_markdown_arrive_and_none_leads_outside(tokens, folder):
    links = [link.attrs["href"] for link in inline(tokens, "link_open")]
    beside = [link for link in links if not link.startswith("#")]
    assert "report.html" in beside and all("/.." not in link and (folder / link).exists() for link in beside)
    assert {link[1:] for link in links if link.startswith("#")} <= github_slugs(
        [title for _, title in headings(tokens)]
    )


def test_markdown_tables_have_as_many_rows_as_their_twins(tokens, page):
    rows = [sum(row.get("class") != "ep-more" for row in table.iter("tr")) for table in page.iter("table")]
    counted: list[int] = []
    for token in tokens:
        if token.type == "table_open":
            counted.append(0)
        elif token.type == "tr_open":
            counted[-1] += 1
    assert counted == rows


def test_code_cells_stay_out_of_the_markdown(folder):
    text = (folder / "report.md").read_text()
    assert "job.run" not in text and "make report SET=demo" in text


# Writing


def test_rendering_twice_gives_the_same_bytes_and_drops_old_pictures(folder):
    before = {path: path.read_bytes() for path in [folder / "report.html", folder / "report.md"]}
    (folder / "report_files" / "old.svg").write_text("stale")
    skips = {"skipped": {"serving": "the parameter set runs no server"}}
    failures = {"failures": {"60_determinism": "the engine's process ended with exit code 137 (out of memory)"}}
    render(folder, sample_report.TITLE, **failures, **skips)
    assert {path: path.read_bytes() for path in before} == before
    assert not (folder / "report_files" / "old.svg").exists()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_broken_notebook_leaves_the_old_report_as_it_was(tmp_path):
    told = sample_report.write(tmp_path)
    render(tmp_path, "Synthetic", **told)
    before = (tmp_path / "report.html").read_bytes()
    (tmp_path / "notebooks" / "10_benchmark.ipynb").write_text("{")
    with pytest.raises(UserError, match="not readable"):
        render(tmp_path, "Synthetic", **told)
    assert (tmp_path / "report.html").read_bytes() == before and (tmp_path / "report_files").is_dir()


def test_a_report_without_a_summary_renders(tmp_path):
    (tmp_path / "notebooks").mkdir()
    nbformat.write(samples.notebook("Setup <b>", ("1", Prose("x"))), tmp_path / "notebooks" / "00_setup.ipynb")
    paths = render(tmp_path, "Synthetic <title>")
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(paths.html.read_text())
    assert text_of(page.find(".//h1")) == "Synthetic <title>"
    assert text_of(page.find(".//h2")).startswith("Setup <b>")


def rendering_time(folder: Path, cells: int) -> float:
    """Seconds to render one notebook with this many tables."""
    (folder / "notebooks").mkdir(parents=True)
    tables = [("show(x)", Table(f"Table {i}", ("a", "b"), [(i, Code("text"))] * 5)) for i in range(cells)]
    nbformat.write(samples.notebook("Many", "## Part", *tables), folder / "notebooks" / "00_many.ipynb")
    start = time.perf_counter()
    render(folder, "Synthetic")
    return time.perf_counter() - start


@pytest.mark.slow
def test_rendering_time_grows_with_the_cells_and_not_with_their_square(tmp_path):
    rendering_time(tmp_path / "warm", 1)
    few, many = (min(rendering_time(tmp_path / f"{n}-{turn}", n) for turn in range(2)) for n in (50, 200))
    assert many < 8 * few, f"{many / few:.1f} times the time for 4 times the cells"
