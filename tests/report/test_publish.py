"""Publishing: finished reports only, whole, and a list of them."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import html5lib
import pytest
import sample_report
import yaml
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.report import links, publish, render
from evalpress.report.publish import RAW_LIMIT, keep_history
from evalpress.report.published_index import write_index
from evalpress.report.render import facts


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "report"
    render(folder, sample_report.TITLE, **sample_report.write(folder))
    (folder / "results" / "raw").mkdir(parents=True)
    (folder / "results" / "benchmark.json").write_text("{}")
    (folder / "results" / ".benchmark.json.x").write_text("half written")
    (folder / "results" / "raw" / "benchmark-requests.json").write_text("[1]")
    return folder


@pytest.fixture
def report(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "report"))


def listed(page):
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.read_text())
    return [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")][1:], tree


def test_a_finished_report_is_copied_whole(report, tmp_path):
    done = publish(report, tmp_path / "published", "demo")
    folder = done.page.parent
    bare = [
        re.sub(r'<nav class="ep-files".*?</nav>', "", page.read_text()) for page in (done.page, report / "report.html")
    ]
    assert bare[0] == bare[1]
    files = {"report.html", "report.md", "report_files", "summary.json", "results"}
    assert {path.name for path in folder.iterdir()} == files | {done.dated.name}
    assert {path.name for path in done.dated.iterdir()} == files
    assert {path.name for path in (folder / "results").iterdir()} == {"benchmark.json", "raw"}
    assert done.left_out == ""


def links_of(page):
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page.read_text())
    (files,) = [node for node in tree.iter("nav") if node.get("class") == "ep-files"]
    return [node.get("href") for node in files.iter("a")]


def test_the_page_links_to_the_files_beside_it(report, tmp_path):
    done = publish(report, tmp_path / "published", "demo")
    links = links_of(done.page)
    assert links == [
        "../index.html",
        "report.md",
        "summary.json",
        "results/benchmark.json",
        "results/raw/benchmark-requests.json",
    ]
    assert all((done.page.parent / link).is_file() for link in links)
    before = (done.page.parent / "report.md").read_text()
    (report / "results" / "raw" / "big.json").write_bytes(b" " * (RAW_LIMIT + 1))
    again = publish(report, tmp_path / "published", "demo")
    assert "results/raw.zip" in links_of(again.page)
    text = (again.page.parent / "report.md").read_text()
    assert "[benchmark](results/benchmark.json)" in before and "(report.html)" in before
    assert "(results/raw/)" in before and "raw.zip" not in before
    assert "(results/raw.zip)" in text and "(results/raw/)" not in text
    assert all((done.page.parent / link).is_file() for link in links_of(again.page))


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("git@forge.example.org:team/suite.git", "https://forge.example.org/team/suite"),
        ("ssh://git@forge.example.org:2222/team/suite.git", "https://forge.example.org/team/suite"),
        ("https://user:secret@forge.example.org/team/suite.git\n", "https://forge.example.org/team/suite"),
        ("https://forge.example.org/team/suite", "https://forge.example.org/team/suite"),
        ("/srv/git/suite.git", ""),
        ("../suite", ""),
        ("git@localhost:suite", ""),
        ("", ""),
    ],
)
def test_a_repository_has_a_page_where_its_remote_has_one(remote, page):
    assert links.web_address(remote) == page


def test_the_commit_is_linked_where_the_repository_has_an_address(report, monkeypatch):
    monkeypatch.setattr(links.shell, "output", lambda argv: "git@forge.example.org:team/suite.git\n")
    origin = {"provenance": {"git": {"commit": "0123456789abcdef"}}}
    (report / "results" / "benchmark.json").write_text(json.dumps(origin))
    page = links.placed("<!-- files --><!-- end of files -->", report)
    assert '<a href="https://forge.example.org/team/suite/tree/0123456789abcdef">0123456789</a>' in page
    (report / "results" / "quality.json").write_text(json.dumps({"provenance": {"git": {"commit": "f" * 40}}}))
    assert "forge" not in links.placed(page, report)


def test_publishing_again_replaces_everything(report, tmp_path):
    done = publish(report, tmp_path / "published", "demo")
    (done.page.parent / "old").write_text("x")
    publish(report, tmp_path / "published", "demo")
    assert not (done.page.parent / "old").exists()
    assert {path.name for path in (tmp_path / "published").iterdir()} == {"demo", "index.html", "index.zh.html"}


def test_large_raw_observations_are_zipped(report, tmp_path):
    (report / "results" / "raw" / "big.json").write_bytes(b" " * (RAW_LIMIT + 1))
    done = publish(report, tmp_path / "published", "demo")
    results = done.page.parent / "results"
    assert done.left_out == ""
    assert {path.name for path in results.iterdir()} == {"benchmark.json", "raw.zip"}
    shutil.unpack_archive(results / "raw.zip", tmp_path / "again")
    kept = [
        {path.name: path.read_bytes() for path in raw.iterdir()}
        for raw in (tmp_path / "again" / "raw", report / "results" / "raw")
    ]
    assert kept[0] == kept[1]


def test_raw_observations_are_left_out_when_the_archive_is_too_large(report, tmp_path):
    (report / "results" / "raw" / "big.json").write_bytes(random.Random(0).randbytes(RAW_LIMIT + 1))
    done = publish(report, tmp_path / "published", "demo")
    assert done.left_out == "results/raw (5.0 MiB zipped)"
    assert {path.name for path in (done.page.parent / "results").iterdir()} == {"benchmark.json"}


@pytest.mark.parametrize("name", ["summary.json", "report.html", "report.md"])
def test_an_unfinished_report_is_refused_and_the_old_one_stays(report, tmp_path, name):
    publish(report, tmp_path / "published", "demo")
    (report / name).unlink()
    with pytest.raises(UserError, match=f"unfinished report, it has no {name}"):
        publish(report, tmp_path / "published", "demo")
    assert (tmp_path / "published" / "demo" / name).is_file()


@pytest.mark.parametrize("name", ["../up", "", "a/b", ".hidden"])
def test_names_that_leave_the_folder_are_refused(report, tmp_path, name):
    with pytest.raises(UserError, match="set name"):
        publish(report, tmp_path / "published", name)


def measured(report, day, commit="0123456789abcdef", **changed):
    """The report as if it had been measured on a day of November, its own results with it."""
    summary = {
        "set": "demo", "model": "Model <script>", "platform": "ascend", "device": {"name": "Ascend910"},
        "verdict": "pass", "measured": f"2026-11-{day}T10:00:00Z", "created": f"2026-11-{day}T11:00:00Z", "gates": [],
    }  # fmt: skip
    provenance = {"git": {"commit": commit}, "versions": {"vllm": "0.32.0", "vllm_why": None, "torch_npu": "2.9.0"}}
    (report / "summary.json").write_text(json.dumps(summary | changed))
    (report / "results" / "setup.json").write_text(json.dumps({"day": day, "provenance": provenance}))
    (report / "results" / "benchmark.json").write_text(json.dumps({"provenance": provenance}))


def files_below(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publishing_adds_and_never_rewrites(report, tmp_path):
    root = tmp_path / "published"
    measured(report, "01")
    first = publish(report, root, "demo")
    assert first.dated.name == "2026-11-01-0123456789"
    before = files_below(first.dated)
    measured(report, "03", commit="f" * 40)
    second = publish(report, root, "demo")
    assert second.dated.name == "2026-11-03-ffffffffff"
    assert files_below(first.dated) == before
    shown = json.loads((root / "demo" / "summary.json").read_text())
    assert shown["measured"].startswith("2026-11-03")
    assert "../../index.html" in links_of(first.dated / "report.html")
    assert "../report.html" in links_of(first.dated / "report.html")
    for page in (first.page, first.dated / "report.html", second.dated / "report.html"):
        assert all((page.parent / link).resolve().is_file() for link in links_of(page))


def test_an_older_measurement_is_added_below_the_newest(report, tmp_path):
    root = tmp_path / "published"
    for day in ("03", "01"):
        measured(report, day)
        publish(report, root, "demo")
    assert json.loads((root / "demo" / "summary.json").read_text())["measured"].startswith("2026-11-03")
    rows, _ = listed(root / "index.html")
    assert [row[5] for row in rows] == ["2026-11-03 10:00 UTC", "2026-11-01 10:00 UTC"]


def test_the_same_measurement_is_not_added_twice_but_another_of_the_day_is(report, tmp_path):
    root = tmp_path / "published"
    measured(report, "01")
    names = [publish(report, root, "demo").dated.name for _ in range(2)]
    measured(report, "01", measured="2026-11-01T12:00:00Z")
    names.append(publish(report, root, "demo").dated.name)
    assert names == ["2026-11-01-0123456789"] * 2 + ["2026-11-01-0123456789-2"]
    assert len(listed(root / "index.html")[0]) == 2


def test_a_folder_of_one_report_alone_keeps_it_as_history(report, tmp_path):
    root = tmp_path / "published"
    measured(report, "01")
    shutil.copytree(report, root / "demo")
    keep_history(root / "demo")
    dated = root / "demo" / "2026-11-01-0123456789"
    assert (dated / "report.html").is_file() and (root / "demo" / "report.html").is_file()
    measured(report, "02")
    publish(report, root, "demo")
    assert json.loads((dated / "summary.json").read_text())["measured"].startswith("2026-11-01")


def test_the_list_says_what_a_reader_chooses_by(report, tmp_path):
    root = tmp_path / "published"
    rows = [{"label": "output throughput", "unit": "tok/s", "eager": 3100.4, "compiled": 3782.1}]
    rows.append({"label": "TTFT", "unit": "ms", "mode": "piecewise", "eager": 20.0, "compiled": 10.0})
    gates = [{"id": "decode.kl_divergence", "section": "alignment", "status": "fail"}, {"status": "pass"}]
    measured(report, "01")
    publish(report, root, "old")
    (report / "report.zh.html").write_text(
        (report / "report.html").read_text().replace('<html lang="en"', '<html lang="zh"')
    )
    measured(report, "02", verdict="fail", gates=gates, headline={"valid": True, "rows": rows})
    publish(report, root, "new")
    found, tree = listed(root / "index.html")
    assert found[0] == [
        "Model <script>new, newest",
        "output throughput, tok/s: eager 3,100, compiled 3,782TTFT, ms: eager 20.0, piecewise 10.0",
        "✗ failalignment: decode, kl divergence",
        "Ascend NPUAscend910",
        "vLLM 0.32.0torch-npu 2.9.0",
        "2026-11-02 10:00 UTC",
        "English中文",
        "Markdown · verdict (JSON)results (JSON): 2 filesbenchmark · setup · benchmark-requests",
    ]
    assert found[1][:2] == ["Model <script>old, newest", "not valid or not measured"]
    links = [node.get("href") for node in tree.iter("a")]
    assert all((root / link).is_file() for link in links) and "new/results/raw/benchmark-requests.json" in links
    assert len(list(tree.iter("h1"))) == 1 and not list(tree.iter("script"))


def test_an_empty_list_is_a_page_too(tmp_path):
    rows, tree = listed(write_index(tmp_path))
    assert rows == [] and "No report has been published yet" in "".join(tree.itertext())


def test_a_summary_that_is_none_is_named(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "summary.json").write_text("[]")
    with pytest.raises(UserError, match=r"bad/summary\.json"):
        write_index(tmp_path)


def test_the_workflow_publishes_the_folder_that_publish_fills():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text())
    steps = workflow["jobs"]["publish"]["steps"]
    upload = next(step for step in steps if step.get("uses", "").startswith("actions/upload-pages-artifact@"))
    assert upload["with"]["path"] == "reports/published"
    assert workflow["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}


def test_old_results_of_a_section_that_failed_are_not_published(report, tmp_path):
    summary = json.loads((report / "summary.json").read_text())
    summary["sections"] = {"benchmark": {"status": "failed", "why": "no device"}}
    (report / "summary.json").write_text(json.dumps(summary))
    results = publish(report, tmp_path / "published", "demo").page.parent / "results"
    assert [path.name for path in results.rglob("*") if path.is_file()] == []
    assert (report / "results" / "benchmark.json").is_file()


def test_finished_is_the_end_of_measuring_and_rendering_has_a_line_of_its_own(report):
    summary = json.loads((report / "summary.json").read_text())
    summary |= {"measured": "2026-11-20T08:00:00Z", "created": "2026-11-25T10:00:00Z"}
    (report / "summary.json").write_text(json.dumps(summary))
    found = facts(report)
    assert (found["Finished"], found["Rendered"]) == ("2026-11-20 08:00 UTC", "2026-11-25 10:00 UTC")
    (report / "summary.json").write_text("null")
    assert facts(report) == {}
