"""Use of the page in a real browser: filter, sort, fold, follow a link, copy; by mouse and keyboard."""

from __future__ import annotations

import base64
import re
from importlib.resources import files

import pytest
import sample_report
from evalpress.report import publish, render
from playwright_page import Tab, started

pytestmark = pytest.mark.slow
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
QUALITY = "#quality-table-cases"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("tools")
    render(where / "report", sample_report.TITLE, **sample_report.write(where / "report"))
    publish(where / "report", where / "published", "demo")
    return where


@pytest.fixture(scope="module")
def browser():
    with started() as running:
        yield running


@pytest.fixture
def tab(browser, folder):
    with Tab(browser, folder / "report" / "report.html") as opened:
        yield opened
        assert opened.logged == []


def visible_cases(page) -> list[str]:
    return [
        row.locator("th").inner_text().rstrip("#").strip()
        for row in page.locator(f"{QUALITY} tbody > tr:not(.ep-more)").all()
        if row.is_visible()
    ]


def all_cases(page) -> list[str]:
    return page.locator(f"{QUALITY} tbody th").evaluate_all("heads => heads.map(head => head.firstChild.textContent)")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390])
@pytest.mark.parametrize("name", ["report/report.html", "published/index.html"])
def test_axe_finds_nothing(browser, folder, name, width, dark):
    source = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
    with Tab(browser, folder / name, width=width, color_scheme="dark" if dark else "light") as tab:
        tab.open_everything()
        tab.page.evaluate(source + "; 0")
        found = tab.page.evaluate("rules => axe.run({ runOnly: rules })", RULES)
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found["violations"]]
        assert told == [] and tab.logged == []
        assert len(found["passes"]) > 15


def test_sections_are_folded_and_open_by_one_button(tab):
    folds = tab.page.locator(".ep-fold")
    assert folds.count() == 5 and not any(fold.get_attribute("open") is not None for fold in folds.all())
    tab.page.get_by_role("button", name="Open all sections").click()
    assert all(fold.get_attribute("open") is not None for fold in folds.all())
    tab.page.get_by_role("button", name="Close all sections").click()
    assert not any(fold.get_attribute("open") is not None for fold in folds.all())


def test_a_folded_page_is_a_fraction_of_the_whole(tab):
    height = "document.documentElement.scrollHeight"
    before = tab.page.evaluate(height)
    tab.open_everything()
    assert before < 0.5 * tab.page.evaluate(height)


def test_cases_that_pass_are_folded_and_a_filter_finds_them(tab):
    page = tab.page
    page.locator("#quality ~ .ep-fold > summary").click()
    open_cases = visible_cases(page)
    assert open_cases and len(open_cases) < len(all_cases(page))
    assert "knowledge_0" not in open_cases and "knowledge_4" in open_cases
    bar = page.locator(f"{QUALITY} .ep-bar")
    bar.get_by_label("verdict").select_option("✓ pass")
    assert visible_cases(page) and all("0" in name or name[-1] in "12" for name in visible_cases(page))
    assert bar.locator("output").inner_text() == "5 of 12 shown"
    bar.get_by_label("verdict").select_option("*")
    assert sorted(visible_cases(page)) == sorted(open_cases) and "7 of 12" in bar.inner_text()
    bar.get_by_label("category").select_option("creative")
    assert visible_cases(page) == ["creative_2", "creative_0", "creative_1"]
    bar.get_by_label("verdict").select_option("")
    bar.get_by_label("category").select_option("")
    assert bar.locator("output").inner_text() == "12 of 12 shown"


def test_a_column_sorts_both_ways_and_details_stay_with_their_rows(tab):
    page = tab.page
    page.locator("#quality ~ .ep-fold > summary").click()
    head = page.locator(f"{QUALITY} thead").first.locator("th", has_text="case")
    head.get_by_role("button").click()
    up = visible_cases(page)
    assert up == sorted(up) and head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert visible_cases(page) == up[::-1] and head.get_attribute("aria-sort") == "descending"
    pairs = page.locator(f"{QUALITY} tr.ep-more").evaluate_all(
        "rows => rows.map(row => [row.previousElementSibling.querySelector('th').firstChild.textContent,"
        " row.querySelector('summary').textContent])"
    )
    assert pairs and all(summary.startswith(f"{name}: ") for name, summary in pairs)


def test_a_link_to_a_case_opens_the_folds_around_it(browser, folder):
    with Tab(browser, folder / "report" / "report.html", "#quality-case-knowledge_0") as tab:
        row = tab.page.locator("#quality-case-knowledge_0")
        tab.page.locator("#quality-case-knowledge_0 + .ep-more pre").first.wait_for()
        assert row.is_visible() and row.bounding_box()["y"] < 900
        tab.page.locator("nav.ep-side a", has_text="Start-up").click()
        tab.page.locator("#benchmark-start-up").wait_for()
    with Tab(browser, folder / "report" / "report.html", "#benchmark-figure-startup-phases") as tab:
        tab.page.locator("#benchmark-figure-startup-phases img").wait_for()


def test_a_command_is_copied(browser, folder):
    with Tab(browser, folder / "report" / "report.html", permissions=["clipboard-read", "clipboard-write"]) as tab:
        block = tab.page.locator(".ep-copied", has_text="make report SET=demo")
        block.get_by_role("button").click()
        block.get_by_role("button", name="Copied").wait_for()
        assert tab.page.evaluate("navigator.clipboard.readText()").endswith(
            "make report SET=demo  # about three minutes"
        )


def test_everything_can_be_done_with_the_keyboard(tab):
    page = tab.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "ep-skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    fold = page.locator("#quality ~ .ep-fold > summary")
    for _ in range(200):
        page.keyboard.press("Tab")
        if fold.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.locator(f"{QUALITY} .ep-bar").wait_for()
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.className"))
        if reached[-1].startswith("SELECT") and len([one for one in reached if one.startswith("SELECT")]) == 1:
            page.keyboard.press("ArrowDown")
            assert "not ✓ pass" in page.locator(f"{QUALITY} select option:checked").first.inner_text()
        if reached[-1] == "BUTTON ep-sort":
            page.keyboard.press("Enter")
            assert page.locator(f"{QUALITY} [aria-sort]").count() == 1
            break
    assert reached[-1] == "BUTTON ep-sort"
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_without_the_script_the_page_is_complete(browser, folder):
    with Tab(browser, folder / "report" / "report.html", java_script_enabled=False) as tab:
        tab.page.locator("#quality ~ .ep-fold > summary").click()
        tab.page.locator(f"{QUALITY} .ep-rows > summary").click()
        assert len(visible_cases(tab.page)) == 12
        assert tab.page.locator(".ep-bar, .ep-button, .ep-sort").count() == 0
        tab.page.locator("#benchmark ~ .ep-fold > summary").click()
        panels = tab.page.locator(".ep-switch .ep-table")
        assert [panel.is_visible() for panel in panels.all()] == [True, False, False, False]
        tab.page.locator(".ep-switch summary", has_text="ITL").click()
        assert [panel.is_visible() for panel in panels.all()] == [False, False, True, False]


@pytest.mark.parametrize("width", [1300, 1024, 390])
def test_only_what_scrolls_is_a_region_and_its_name_is_its_own(browser, folder, width):
    with Tab(browser, folder / "report" / "report.html", width=width) as tab:
        tab.open_everything()
        boxes = tab.page.locator(".ep-table").evaluate_all(
            "boxes => boxes.map(box => [box.scrollWidth > box.clientWidth + 1, box.getAttribute('role'),"
            " box.getAttribute('aria-label'), box.tabIndex])"
        )
        assert all((role == "region") == scrolls == (index == 0) for scrolls, role, _, index in boxes)
        names = [name for _, _, name, _ in boxes if name]
        assert len(names) == len(set(names)) and (names or width > 390)
        if width == 1024:
            assert tab.page.locator("main").bounding_box()["width"] > 960


@pytest.mark.parametrize("width", [1300, 1024, 390])
def test_header_and_case_stay_in_sight(browser, folder, width):
    with Tab(browser, folder / "report" / "report.html", QUALITY, width=width) as tab:
        tab.page.locator(f"{QUALITY} select").first.select_option("")
        tab.page.locator(f"{QUALITY} .ep-rows > summary").click()
        box = tab.page.locator(f"{QUALITY} .ep-table").first
        head = box.locator("thead th").first
        last = box.locator("tbody th").last
        last.scroll_into_view_if_needed()
        box.evaluate("box => { box.scrollTop = 1e6; box.scrollLeft = 1e6; }")
        last.scroll_into_view_if_needed()
        shown = head.bounding_box()
        assert 0 <= shown["y"] < last.bounding_box()["y"]
        assert -1 <= last.bounding_box()["x"] - box.bounding_box()["x"] < width / 2


def test_a_phone_shows_change_and_verdict_without_scrolling_sideways(browser, folder):
    with Tab(browser, folder / "report" / "report.html", width=390, is_mobile=True) as tab:
        tab.open_everything()
        for cell in (f"{QUALITY} tbody .ep-badge", "#summary-table-gates tbody .ep-badge"):
            boxes = [badge.bounding_box() for badge in tab.page.locator(cell).all()]
            assert boxes and all(box["x"] + box["width"] <= 390 for box in boxes)


def test_letters_of_figures_are_at_least_11_pixels_high_on_a_phone(browser, folder):
    with Tab(browser, folder / "report" / "report.html", width=390, is_mobile=True) as tab:
        tab.open_everything()
        pictures = tab.page.locator("figure img").evaluate_all(
            "images => images.map(image => [image.src, image.clientWidth])"
        )
        assert len(pictures) == 6
        for source, width in pictures:
            svg = base64.b64decode(source.partition(",")[2]).decode()
            scale = width / float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
            sizes = {
                float(size)
                for size in re.findall(r"font: (?:bold )?([\d.]+)px|font-size: ?([\d.]+)px", svg)
                for size in size
                if size
            }
            assert sizes and min(sizes) * scale >= 11, (min(sizes) * scale, sizes)


def test_printing_shows_what_is_folded(tab):
    tab.page.emulate_media(media="print")
    assert tab.page.locator("#benchmark-start-up").is_visible()
    assert tab.page.locator(f"{QUALITY} .ep-more pre").first.is_visible()
    assert not tab.page.locator(f"{QUALITY} .ep-bar").is_visible()
    assert all(panel.is_visible() for panel in tab.page.locator(".ep-switch .ep-table").all())
