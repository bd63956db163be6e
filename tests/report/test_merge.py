"""Merging: one notebook out of many; partial output is not taken for a result."""

from __future__ import annotations

import json

import nbformat
import pytest
import samples
from evalpress.core.errors import UserError
from evalpress.display.tables import Prose
from evalpress.report.headings import Anchors, demoted, plain_title, slug_of, without_tags
from evalpress.report.merge import Source, merge, sources
from evalpress.report.outputs import accepted, error_line


def put(folder, stem, notebook, where="notebooks"):
    (folder / where).mkdir(exist_ok=True)
    nbformat.write(notebook, folder / where / f"{stem}.ipynb")


def merged(folder, failures=None, skipped=None):
    return merge(sources(folder, failures or {}, skipped or {}), "Synthetic", {})


def shown_text(notebook) -> str:
    return json.dumps(notebook, ensure_ascii=False)


def test_the_summary_comes_first_and_the_rest_by_name(tmp_path):
    for stem in ("10_benchmark", "90_summary", "00_setup"):
        put(tmp_path, stem, samples.notebook(stem))
    assert [source.stem for source in sources(tmp_path, {}, {})] == ["90_summary", "00_setup", "10_benchmark"]


def test_the_merged_notebook_is_valid_with_fresh_ids_and_no_widget_state(tmp_path):
    for stem in ("10_benchmark", "20_serving"):
        put(tmp_path, stem, samples.notebook("Same title", "## Method", ("x = 1", Prose("text"))))
    notebook = merged(tmp_path)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids)) and ids[0].startswith("benchmark-")
    assert "widgets" not in notebook.metadata
    anchors = [heading["anchor"] for heading in notebook.metadata.evalpress.contents]
    assert anchors == ["benchmark", "benchmark-method", "serving", "serving-method"]
    assert [heading["slug"] for heading in notebook.metadata.evalpress.contents][1::2] == ["method", "method-1"]


def test_headings_go_down_one_level_outside_code():
    source = "# Title\n\n```bash\n# a comment\n```\n\n## Part `x` ##\n\n    # indented\n~~~\n# fenced\n~~~\n###### Deep"
    text, found = demoted(source, Anchors(), "setup")
    assert [(h.level, h.title, h.anchor) for h in found] == [
        (2, "Title", "setup"),
        (3, "Part x", "setup-part-x"),
        (6, "Deep", "setup-deep"),
    ]
    assert "\n# a comment\n" in text and "\n# fenced\n" in text and "### Part `x`\n" in text
    assert text.startswith("## Title")


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("a <b>bold</b>", "a &lt;b>bold&lt;/b>"),
        ("`<b>` and <i>", "`<b>` and &lt;i>"),
        ("``a ` <b>`` <!-- x -->", "``a ` <b>`` &lt;!-- x -->"),
        ("1 < 2 and 3 <4", "1 < 2 and 3 <4"),
        ("open ` <script>", "open ` &lt;script>"),
    ],
)
def test_raw_html_in_our_own_markdown_is_text(line, clean):
    assert without_tags(line) == clean


def test_titles_and_slugs():
    assert plain_title("The *`code`* of [a link](#x) and snake_case") == "The code of a link and snake_case"
    assert slug_of("Eager against compiled: why?") == "eager-against-compiled-why"
    assert slug_of("中文 标题") == "中文-标题"


def test_only_marked_outputs_pass_as_html_or_markdown():
    hostile = {"text/html": "<script>", "text/markdown": "# x", "image/svg+xml": "<svg/>", "text/plain": "plain\x00"}
    stranger = nbformat.v4.new_output("execute_result", data=hostile)
    ours = samples.display(Prose("*yes*"))
    chatter = nbformat.v4.new_output("stream", name="stdout", text="noise")
    kept = accepted([stranger, ours, chatter], "s")
    assert kept[0].data == {"text/plain": "plain⟨U+0000⟩"}
    assert kept[1].data["text/markdown"] == "*yes*"
    assert len(kept) == 2
    scripted = nbformat.v4.new_output("display_data", data={"application/javascript": "alert(1)"})
    assert list(accepted([scripted], "s")[0].data) == ["text/plain"]


def test_a_failed_section_shows_its_reason_and_no_result(tmp_path):
    notebook = samples.notebook("Benchmark", "Intro.", ("x", Prose("half a result")), "## Later", ("y", Prose("more")))
    put(tmp_path, "10_benchmark", notebook, "failed")
    put(tmp_path, "10_benchmark", samples.notebook("Benchmark", ("x", Prose("stale result"))))
    text = shown_text(merged(tmp_path, {"benchmark": "the kernel died"}))
    assert "the kernel died" in text and "Intro." in text
    assert "half a result" not in text and "stale result" not in text and "Later" not in text


def test_a_notebook_with_an_error_output_is_never_a_finished_one(tmp_path):
    notebook = samples.notebook("Quality", ("x", Prose("a result")), ("boom",))
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="bad\nsecond line", traceback=["\x1b[31mtrace"])
    notebook.cells[-1].outputs = [error]
    put(tmp_path, "50_quality", notebook)
    text = shown_text(merged(tmp_path))
    assert "ValueError: bad" in text and "a result" not in text
    assert "trace" not in text and "second line" not in text
    plain = nbformat.v4.new_output("error", ename="UserError", evalue="params/x.yaml: key: found 1", traceback=[])
    assert error_line([plain]) == "params/x.yaml: key: found 1"


def test_sections_without_a_notebook_still_have_their_place(tmp_path):
    put(tmp_path, "00_setup", samples.notebook("Setup"))
    told = merged(tmp_path, {"10_benchmark": "killed"}, {"serving": "no server in this set"})
    contents = [(h["title"], h["anchor"]) for h in told.metadata.evalpress.contents]
    assert contents == [("Setup", "setup"), ("Benchmark", "benchmark"), ("Serving", "serving")]
    assert "no server in this set" in shown_text(told)


def test_a_notebook_without_a_title_gets_one(tmp_path):
    put(tmp_path, "40_alignment", nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]))
    assert merged(tmp_path).cells[0].source == "## Alignment"


def test_nothing_to_render_and_unreadable_notebooks_are_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="nothing to render"):
        sources(tmp_path, {}, {})
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_setup.ipynb").write_text("{ not json")
    with pytest.raises(UserError, match=r"00_setup\.ipynb: not readable as a notebook"):
        merged(tmp_path)


def test_names_come_from_the_notebook():
    assert Source("10_benchmark", None).name == "benchmark"
    assert Source("15_long tail", None).title == "Long tail"
