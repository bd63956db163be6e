"""Tables and display objects: what comes out is read back by parsers that others wrote."""

from __future__ import annotations

import html5lib
import pytest
import samples
from evalpress.display.tables import (
    Badge,
    Change,
    ChangeInterval,
    Code,
    Column,
    Details,
    Fold,
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
from read_markdown import ANYTHING, HARMLESS, READER, SPECIAL, calm, read_inline, squeezed


def fragment(html: str):
    """The DOM of a fragment; html5lib raises on anything that is not valid."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parseFragment(html)


def read_table(markdown: str) -> list[list[str]]:
    """The cells of the only table in a Markdown text, as a reader sees them."""
    tokens = READER.parse(markdown)
    assert sum(token.type == "table_open" for token in tokens) == 1
    rows: list[list[str]] = []
    for before, token in zip(tokens, tokens[1:], strict=False):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("th_open", "td_open"):
            assert {child.type for child in token.children} <= HARMLESS
            rows[-1].append("".join(child.content for child in token.children))
    return rows


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


POEM = "Roses are red,\n\n    *violets* | are `blue`\n</details>"


def details_table(**more):
    columns = (
        "verdict",
        "case",
        Column("output", wide=True),
        Column("rule", detail=True),
        Column("tokens", detail=True),
    )
    rows = [
        (Badge("fail"), "sum", output("word " * 60), Code("number: 4"), "–"),
        (Badge("pass"), "poem", output(POEM), Code("any: [a|b]\nof: 2"), "12 tokens"),
    ]
    return Table("Cases", columns, rows, named_by=1, **more)


def test_long_texts_and_detail_columns_stand_in_a_row_of_full_width():
    dom = fragment(details_table().html())
    assert [node.text for node in dom.findall(".//thead//th")] == ["verdict", "case", "output"]
    more = dom.findall(".//tr[@class='ep-more']")
    assert [row.find("td").get("colspan") for row in more] == ["3", "3"]
    assert [row.find(".//summary").text for row in more] == ["output, rule of sum", "rule, tokens of poem"]
    assert [node.text for node in more[0].findall(".//p[@class='ep-label']")] == ["output", "rule"]
    assert "".join(more[0].find(".//pre").itertext()).strip() == ("word " * 60).strip()
    assert [node.text for node in dom.findall(".//tbody//th")] == ["sum", "poem"]


def test_a_frame_keeps_the_columns_that_a_page_folds():
    frame = details_table().to_frame()
    assert list(frame.columns) == ["verdict", "case", "output", "rule", "tokens"]
    assert frame["output"].tolist() == ["word " * 60, POEM]


def test_poems_and_programs_are_blocks_in_markdown():
    tokens = READER.parse(details_table().markdown())
    blocks = [token.content for token in tokens if token.type == "fence"]
    assert POEM + "\n" in blocks and "any: [a|b]\nof: 2\n" in blocks and "word " * 60 + "\n" in blocks
    assert "↵" not in details_table().markdown()
    read = read_table(details_table().markdown())
    assert read[2] == ["✓ pass", "poem", "Roses are red, …"]


def test_a_pipe_inside_code_is_a_backslash_and_a_pipe():
    markdown = Table("t", ("a",), [(Code("x | y"),)]).markdown()
    assert "`x \\| y`" in markdown and read_table(markdown)[1] == ["x | y"]
    assert "&#" not in markdown


def test_folded_rows_are_a_table_of_their_own_with_ids_for_every_row():
    table = details_table(fold=Fold(1, "Cases that pass: 1"), anchor="case", tools=True)
    dom = fragment(table.html())
    assert dom.find("div").get("class") == "ep-tools"
    inside = dom.find(".//details[@class='ep-rows']")
    assert inside.find("summary").text == inside.find(".//caption").text == "Cases that pass: 1"
    assert [row.get("id") for row in dom.findall(".//tbody/tr") if row.get("id")] == ["case-sum", "case-poem"]
    assert [row.get("id") for row in inside.findall(".//tbody/tr") if row.get("id")] == ["case-poem"]
    assert "<details><summary>Cases that pass: 1</summary>\n\n| verdict" in table.markdown()
    whole = details_table(fold=Fold(0, "All pass"))
    assert len(fragment(whole.html()).findall(".//table")) == 1


def test_rows_of_one_name_have_ids_of_their_own():
    dom = fragment(Table("t", ("a", "b"), [("x y", 1), ("z", 2), ("x y", 3)], anchor="r").html())
    assert [row.get("id") for row in dom.findall(".//tbody/tr")] == ["r-x-y", "r-z", "r-x-y-2"]


def test_a_switch_shows_its_first_block_and_folds_the_others():
    shown = Switch("latency", {"TTFT": Table("t", ("a",), [(1,)]), "ITL": Table("u", ("a",), [(2,)])})
    data, _ = shown._repr_mimebundle_()
    groups = fragment(data["text/html"]).findall(".//details")
    assert [(one.get("name"), one.get("open") is not None) for one in groups] == [
        ("switch-latency", True),
        ("switch-latency", False),
    ]
    assert data["text/markdown"].index("**t**") < data["text/markdown"].index("<details><summary>ITL</summary>")
