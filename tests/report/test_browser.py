"""The report in a real browser, from disk, with the network off."""

from __future__ import annotations

import pytest
import sample_report
from browser import chromium
from evalpress.report import publish, render

pytestmark = pytest.mark.slow
WIDTHS = {"desktop": 1280, "tablet": 820, "phone": 390}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("browser")
    render(where / "report", sample_report.TITLE, **sample_report.write(where / "report"))
    publish(where / "report", where / "published", "demo")
    return where


@pytest.fixture(scope="module")
def page():
    with chromium() as tab:
        yield tab


@pytest.fixture(params=["report/report.html", "published/index.html"])
def opened(request, page, folder):
    page.logged.clear()
    page.requested.clear()
    page.show(WIDTHS["desktop"])
    page.open(folder / request.param)
    return page


def visible_pixels(page, selector: str) -> float:
    return page.evaluate(f"document.querySelector({selector!r})?.getBoundingClientRect().height ?? -1")


def test_the_browser_logs_nothing_and_asks_for_nothing(opened):
    assert opened.logged == []
    beyond = [url for url in opened.requested if not url.startswith(("file:", "data:"))]
    assert beyond == [] and sum(url.startswith("file:") for url in opened.requested) == 1


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_fits_every_screen_in_both_themes(opened, width, dark):
    opened.show(width, dark=dark)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(22, 25, 29)" if dark else "rgb(255, 255, 255)")


def test_every_picture_is_drawn(page, folder):
    page.open(folder / "report/report.html")
    page.evaluate("for (const fold of document.querySelectorAll('.ep-fold')) fold.open = true")
    sizes = page.evaluate("[...document.images].map(image => [image.naturalWidth, image.clientWidth])")
    assert len(sizes) == 6 and all(natural > 0 and shown > 300 for natural, shown in sizes)


def test_code_appears_when_asked_for(page, folder):
    page.show(WIDTHS["desktop"])
    page.open(folder / "report/report.html")
    assert visible_pixels(page, ".ep-code") == 0
    page.evaluate("document.querySelector('label.ep-toggle').click()")
    assert visible_pixels(page, ".ep-code") > 10


def test_contents_stand_at_the_side_or_fold_away(page, folder):
    page.open(folder / "report/report.html")
    page.show(WIDTHS["desktop"])
    assert visible_pixels(page, ".ep-side") > 100 and visible_pixels(page, ".ep-phone-contents") == 0
    page.show(WIDTHS["phone"])
    assert visible_pixels(page, ".ep-side") == 0 and 0 < visible_pixels(page, ".ep-phone-contents") < 100


def test_print_is_light_and_shows_folded_text(page, folder):
    page.show(720, dark=True, media="print")
    page.open(folder / "report/report.html")
    assert visible_pixels(page, ".ep-toggle") == 0
    assert visible_pixels(page, ".ep-details pre") > 10
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 31, 36)"
    page.show(WIDTHS["desktop"])


def test_nothing_that_a_model_wrote_became_active(page, folder):
    page.open(folder / "report/report.html")
    assert page.evaluate("document.title") == sample_report.TITLE
    assert page.evaluate("document.querySelectorAll('img[src=x], h1').length") == 1
    assert page.evaluate("document.querySelectorAll('script').length") == 1
