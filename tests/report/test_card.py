"""The model repository: every file, the same numbers in every language, no output of a model as markup."""

from __future__ import annotations

import json
import re
import shutil
import string

import pytest
import yaml
from evalpress import cli
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.report.card import LANGUAGES, make
from evalpress.report.card.words import number
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

pytestmark = pytest.mark.slow

PUBLISHED = ROOT / "tests" / "data" / "report-0.1.0"
WORDS = yaml.safe_load((ROOT / "lib" / "evalpress" / "report" / "card" / "words.yaml").read_text(encoding="utf-8"))
PAGES = ("README", "ADAPT_REPORT", "RUNBOOK")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "demo"
    shutil.copytree(PUBLISHED, folder, ignore=shutil.ignore_patterns("raw*"))
    return folder


@pytest.fixture(scope="module")
def card(report):
    make(report, ("en", "zh"))
    return report / "card"


def test_every_file_of_the_contract_is_there(card):
    names = {f"{page}{language}.md" for page in PAGES for language in ("", ".zh")}
    flat = ("benchmark", "benchmark_compiled", "quality_eval", "inference_evidence", "precision_comparison")
    assert names <= {path.name for path in card.iterdir()}
    assert {path.stem for path in (card / "bench_results").iterdir()} == set(flat)
    assert (card / "scripts" / "inference.py").is_file()
    assert list((card / "pictures").glob("*.svg"))


@pytest.mark.parametrize("phrase", WORDS)
def test_every_phrase_is_there_in_every_language_with_the_same_fields(phrase):
    assert set(WORDS[phrase]) == set(LANGUAGES)
    fields = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in WORDS[phrase].values()]
    assert fields[0] == fields[1]
    assert all(text.strip() for text in WORDS[phrase].values())


def test_the_first_page_is_short_and_its_front_matter_is_read_by_the_hub(card):
    text = (card / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    data = ModelCard(text).data
    assert (data.library_name, data.pipeline_tag) == ("vllm", "text-generation")
    assert "cpu" in data.tags


def test_languages_print_the_same_numbers(card):
    def numbers(name):
        return re.findall(r"\d(?:[\d,.]*\d)?", (card / name).read_text(encoding="utf-8").split("---", 2)[2])

    for page in ("ADAPT_REPORT", "RUNBOOK"):
        assert sorted(numbers(f"{page}.md")) == sorted(numbers(f"{page}.zh.md"))


def test_no_two_rows_of_the_comparison_have_one_name(tmp_path):
    """A start from a filled and one from an empty compile cache are two rows."""
    skipped = shutil.ignore_patterns("raw*", "2*")
    shutil.copytree(ROOT / "reports" / "published" / "demo", tmp_path / "demo", ignore=skipped)
    make(tmp_path / "demo", ("en", "zh"))
    for page, head in (("README.md", "## Eager against compiled"), ("README.zh.md", "## Eager 与图模式")):
        text = (tmp_path / "demo" / "card" / page).read_text(encoding="utf-8")
        part = text[text.index(head) :].split("\n## ", 1)[0]
        names = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("|")]
        assert len(names) > 4 and len(names) == len(set(names)), names


def test_the_printed_figures_are_the_measured_ones(card):
    measured = json.loads((PUBLISHED / "results" / "benchmark.json").read_text(encoding="utf-8"))["data"]
    flat = json.loads((card / "bench_results" / "benchmark.json").read_text(encoding="utf-8"))
    loads = measured["modes"]["eager"]["workloads"]
    assert flat["workloads"]["decode"]["output_throughput"] == loads["decode"]["output_throughput"]
    page = (card / "README.md").read_text(encoding="utf-8")
    assert number(loads["throughput"]["output_throughput"]) in page
    assert number(measured["modes"]["compiled"]["startup"]["total_s"]) in page


def test_the_phases_of_a_start_add_up_to_its_total(card):
    line = next(line for line in (card / "README.md").read_text(encoding="utf-8").splitlines() if " · total " in line)
    found = [float(seconds.replace(",", "")) for seconds in re.findall(r"([\d.,]+) s\b", line)]
    assert len(found) > 4
    assert sum(found[:-1]) == pytest.approx(found[-1], rel=0.01)


def test_tables_have_one_number_of_columns_and_stand_apart(card):
    for page in card.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        lines = (text.split("---\n", 2)[2] if text.startswith("---\n") else text).splitlines()
        tables = MarkdownIt("commonmark").enable("table").render("\n".join(lines)).count("<table>")
        assert tables == sum(bool(re.fullmatch(r"\|(:?-+:?\|)+", line)) for line in lines), page.name


def test_blocks_stand_apart(card):
    for page in card.glob("*.md"):
        lines = page.read_text(encoding="utf-8").splitlines()
        for before, line in zip(lines, lines[1:], strict=False):
            if line.startswith(("# ", "## ")) or (before.startswith("|") and line and not line.startswith("|")):
                assert not before or before.startswith("```"), f"{page.name}: {before!r} {line!r}"


def test_output_of_a_model_is_text(report, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(report, folder, ignore=shutil.ignore_patterns("card"))
    path = folder / "results" / "evidence.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["data"]["cases"][0]["output"] = "a | b\n# head <script>alert(1)</script> ![x](http://e.x/)"
    path.write_text(json.dumps(document), encoding="utf-8")
    make(folder)
    page = (folder / "card" / "README.md").read_text(encoding="utf-8")
    shown = MarkdownIt("commonmark").enable("table").render(page)
    assert "<script>" not in shown
    assert "http://e.x/" not in re.findall(r'src="([^"]*)"', shown)
    assert "<h1>head" not in shown


def test_no_report_is_one_line(tmp_path, capsys):
    with pytest.raises(UserError, match="no finished report to make a card from"):
        make(tmp_path)
    assert cli.main(["card", "--set", "demo", "--reports-dir", str(tmp_path)]) == 2
    assert cli.main(["card", "--languages", "fr", "--reports-dir", str(tmp_path)]) == 2
    assert "allowed en or zh" in capsys.readouterr().err


def edited(report, folder, name, change):
    """A copy of a report in which one file is another."""
    shutil.copytree(report, folder, ignore=shutil.ignore_patterns("card"))
    document = json.loads((folder / name).read_text(encoding="utf-8"))
    change(document)
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_a_summary_of_another_form_is_one_line(report, tmp_path):
    folder = edited(report, tmp_path / "demo", "summary.json", lambda document: document.pop("verdict"))
    with pytest.raises(UserError, match=r"summary\.json: verdict"):
        make(folder)
    assert not (folder / "card").exists()


def test_a_number_per_layer_is_printed_as_a_list(report, tmp_path):
    def per_layer(document):
        document["data"]["model"]["num_key_value_heads"] = [2, 4]

    make(edited(report, tmp_path / "demo", "results/setup.json", per_layer))
    assert "| num_key_value_heads | 2, 4 |" in (tmp_path / "demo" / "card" / "README.md").read_text(encoding="utf-8")


def test_an_alignment_without_candidates_makes_a_card(report, tmp_path):
    def none(document):
        document["data"]["candidates"] = {}

    make(edited(report, tmp_path / "demo", "results/alignment.json", none))
    assert (tmp_path / "demo" / "card" / "bench_results" / "precision_comparison.json").is_file()
