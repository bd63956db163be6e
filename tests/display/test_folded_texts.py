"""Texts that are too long for a cell, rows that are folded away, tables of which one is shown."""

from __future__ import annotations

from evalpress.display.tables import Badge, Code, Column, Fold, Switch, Table, output
from read_markdown import READER, fragment, read_table

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
    assert [row.find(".//summary").text for row in more] == ["sum: output, rule", "poem: rule, tokens"]
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
