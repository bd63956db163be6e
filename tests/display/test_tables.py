"""Tables and display objects: their output is read back by independent parsers."""

from __future__ import annotations

import pytest
import samples
from evalpress.display.tables import (
    Badge,
    Change,
    ChangeInterval,
    Code,
    Column,
    Details,
    Missing,
    Prose,
    Quantity,
    Switch,
    Table,
    Tile,
    Tiles,
    Verdict,
    code,
    escape_markdown,
    fence,
    one_line,
    output,
    pick,
    snippet,
    visible,
)
from evalpress.report.markdown_html import to_html
from hypothesis import example, given
from hypothesis import strategies as st
from read_markdown import ANYTHING, READER, SPECIAL, calm, fragment, read_inline, read_table, squeezed


@calm
@given(ANYTHING | SPECIAL)
@example("    indented")
@example("1. one")
@example("# heading")
def test_escaped_markdown_is_read_back_as_the_text_by_commonmark(text):
    assert squeezed(read_inline(escape_markdown(text))) == squeezed(visible(text))


@calm
@given(ANYTHING | SPECIAL)
@example("```\n# heading\n`````")
@example("~~~")
def test_a_fence_holds_any_text(text):
    tokens = READER.parse(f"before\n\n{fence(text, 'text')}\n\nafter")
    blocks = [token for token in tokens if token.type == "fence"]
    assert [block.content for block in blocks] == [visible(text) + "\n"]
    assert len(tokens) == 7


@calm
@given(st.lists(st.tuples(ANYTHING | SPECIAL, ANYTHING | SPECIAL, ANYTHING | SPECIAL), max_size=3))
def test_no_text_breaks_a_table_in_markdown_or_html(rows):
    table = Table("Any text", ("a", "b", "c"), [(first, Code(second), output(third)) for first, second, third in rows])
    read = read_table(table.markdown())
    assert len(read) == 1 + len(rows)
    dom = fragment(table.html())
    assert len([row for row in dom.findall(".//tr") if row.get("class") != "ep-more"]) == 1 + len(rows)
    assert not dom.findall(".//script") and not dom.findall(".//img") and not dom.findall(".//a")
    for cells, row in zip(rows, read[1:], strict=True):
        assert squeezed(row[0]) == squeezed(visible(cells[0]))
        lines = [line for line in cells[1].split("\n") if line.strip()]
        whole = one_line(cells[1]) or "(empty)"
        assert squeezed(row[1]) in (squeezed(whole), squeezed(f"{one_line(lines[0])} …") if lines else None)
    lines = [row for row in dom.findall(".//tbody/tr") if row.get("class") != "ep-more"]
    shown = ["".join(row.find("td").itertext()) for row in lines]
    assert shown == [visible(second) or "(empty)" for _, second, _ in rows]


@pytest.mark.parametrize("text", samples.HOSTILE)
def test_hostile_output_is_shown_and_does_nothing(text):
    table = Table("Hostile", ("case", "output"), [("one", output(text, limit=10))])
    dom = fragment(table.html())
    shown = ["".join(node.itertext()) for node in dom.iter() if node.tag in ("pre", "code", "span")]
    # html5lib keeps the newline after <pre> inside a table cell; browsers and the standard drop it
    assert {visible(text) or "(empty)", "\n" + visible(text)} & set(shown)
    ours = {
        "p",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "span",
        "details",
        "summary",
        "pre",
    }
    assert {node.tag for node in dom.iter()} - {"DOCUMENT_FRAGMENT"} <= ours
    assert len(read_table(table.markdown())) == 2


@calm
@given(SPECIAL)
def test_our_own_markdown_reader_agrees_with_commonmark(text):
    dom = fragment(to_html(f"start {code(text)} end"))
    assert squeezed("".join(dom.itertext())) == squeezed(read_inline(f"start {code(text)} end"))


def test_a_table_says_what_it_shows():
    table = Table(
        "Latency & more",
        ("mode", Column("TTFT", "ms"), Column("ratio", "ratio"), "state"),
        [("eager", 25.8, 1.0, Badge("pass")), ("compiled", 15.0, 0.58, Badge("needs_review"))],
        note=("see ", Code("results")),
        warning="quality failed",
    )
    dom = fragment(table.html())
    assert dom.find(".//caption").text == "Latency & more"
    assert [node.get("scope") for node in dom.findall(".//thead//th")] == ["col"] * 4
    assert [node.get("scope") for node in dom.findall(".//tbody//th")] == ["row"] * 2
    assert [node.text for node in dom.findall(".//thead//th")] == ["mode", "TTFT (ms)", "ratio", "state"]
    assert [node.get("class") for node in dom.findall(".//tbody/tr[1]/td")] == ["num", "num", None]
    read = read_table(table.markdown())
    assert read[1:] == [["eager", "25.8", "1.00×", "✓ pass"], ["compiled", "15.0", "0.58×", "? needs review"]]
    assert "quality failed" in table.markdown() and "quality failed" in "".join(dom.itertext())


def test_rows_of_one_name_are_a_group_in_html_and_stay_whole_in_markdown():
    rows = [("decode", "TTFT", 1), ("decode", "TPOT", 2), ("prefill", "TTFT", 3), ("decode", "E2EL", 4)]
    table = Table("Groups", ("workload", "metric", "x"), rows)
    dom = fragment(table.html())
    heads = dom.findall(".//tbody//th")
    assert [(head.text, head.get("scope"), head.get("rowspan")) for head in heads] == [
        ("decode", "rowgroup", "2"),
        ("prefill", "row", None),
        ("decode", "row", None),
    ]
    assert [len(body.findall("tr")) for body in dom.findall(".//tbody")] == [2, 1, 1]
    assert [len(row.findall("td")) for row in dom.findall(".//tbody/tr")] == [2, 2, 2, 2]
    assert [row[0] for row in read_table(table.markdown())[1:]] == ["decode", "decode", "prefill", "decode"]


def test_a_missing_value_gives_its_reason_once():
    records = [{"name": "a", "x": None, "x_why": "no NPU"}, {"name": "b", "x": None, "x_why": "no NPU"}, {"name": "c"}]
    table = Table.from_records("Gaps", {"name": "name", "x": Column("x", "ms")}, records)
    read = read_table(table.markdown())
    assert [row[1] for row in read[1:]] == ["n/a (1)", "n/a (1)", "n/a (2)"]
    assert table.markdown().endswith("(1) no NPU\n\n(2) not recorded")
    assert "".join(fragment(table.html()).itertext()).count("no NPU") == 1
    assert pick({"x": 0}, "x") == 0


def test_a_table_becomes_a_data_frame_with_numbers():
    cells = [("a", 1.5, Quantity(2.0, "s"), Missing("why"), Code("x")), ("b", None, Quantity(None), 3, ("y", "z"))]
    frame = Table("Frame", ("name", Column("x", "ms"), "q", "m", "t"), cells).to_frame()
    assert list(frame.columns) == ["name", "x (ms)", "q", "m", "t"]
    assert frame["x (ms)"].tolist()[0] == 1.5 and frame["q"].tolist()[0] == 2.0
    assert frame["t"].tolist() == ["x", "yz"] and frame["m"].isna().tolist() == [True, False]


def test_malformed_tables_and_statuses_are_refused():
    with pytest.raises(ValueError, match="row 0 has 1 cells for 2 columns"):
        Table("Short", ("a", "b"), [("only one",)])
    with pytest.raises(ValueError, match="caption"):
        Table(" ", ("a",), [])
    with pytest.raises(ValueError, match="found 'great', allowed pass"):
        Badge("great")


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        (Table("t", ("a",), [(1,)]), "table"),
        (Details("more", "</details>```"), "details"),
        (Prose("*text*"), "prose"),
        (snippet("make report"), "prose"),
        (Verdict("fail", "Broken", ("first", Code("second"))), "verdict"),
        (Tiles((Tile("speed", "1 tok/s", "slow"),)), "tiles"),
        (Switch("latency", {"TTFT": Table("t", ("a",), [(1,)]), "ITL": Table("u", ("a",), [(2,)])}), "switch"),
    ],
)
def test_every_display_object_bears_the_mark_and_is_valid(shown, kind):
    data, metadata = shown._repr_mimebundle_()
    assert metadata["evalpress"]["kind"] == kind
    assert data["text/plain"]
    if "text/html" in data:
        fragment(data["text/html"])
    html = [token.content for token in READER.parse(data["text/markdown"]) if "html" in token.type]
    assert all(part.startswith(("<details><summary>", "</details>")) for part in html)


def test_a_status_is_a_word_and_a_sign_and_not_only_a_colour():
    for status in ("pass", "warn", "fail", "needs_review", "skipped"):
        words = "".join(fragment(Badge(status).html()).itertext())
        assert words[0] != words[-1] and status.replace("_", " ") in words


def test_a_frame_has_numbers_for_changes_intervals_and_units():
    rows = [
        ["a", Quantity(10.0, "tok/s"), Change(1.25), ChangeInterval(1.1, 1.4), Badge("pass")],
        ["b", Quantity(3.0, "ms"), Missing("one block"), Missing("one block"), Badge("fail", "not ok")],
    ]
    frame = Table("t", ["x", "eager", "change", "interval", "verdict"], rows).to_frame()
    assert list(frame.columns) == ["x", "eager", "eager unit", "ratio", "ci_low", "ci_high", "verdict"]
    assert frame["eager"].tolist() == [10.0, 3.0] and frame["eager unit"].tolist() == ["tok/s", "ms"]
    assert frame["ratio"][0] == 1.25 and (frame["ci_low"][0], frame["ci_high"][0]) == (1.1, 1.4)
    assert frame[frame["verdict"] == "fail"]["x"].tolist() == ["b"]


def test_a_change_reads_as_a_signed_percentage():
    table = Table("t", ["change", "interval"], [[Change(1.541), ChangeInterval(0.9, 1.6)]], row_heads=False)
    assert "+54.1 %" in table.html() and "−10.0 % to +60.0 %" in table.markdown()
