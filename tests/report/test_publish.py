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
from evalpress.report.publish import RAW_LIMIT, write_index
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
    assert {path.name for path in folder.iterdir()} == {
        "report.html", "report.md", "report_files", "summary.json", "results",
    }  # fmt: skip
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
    (report / "results" / "raw" / "big.json").write_bytes(b" " * (RAW_LIMIT + 1))
    again = publish(report, tmp_path / "published", "demo")
    assert "results/raw.zip" in links_of(again.page)
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
    assert {path.name for path in (tmp_path / "published").iterdir()} == {"demo", "index.html"}


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


def test_the_list_names_every_report_newest_first(report, tmp_path):
    root = tmp_path / "published"
    for name, day, verdict in (("old", "01", "pass"), ("new", "02", "fail")):
        summary = {
            "set": name, "model": f"Model {name} <script>", "platform": "ascend", "device": {"name": "Ascend910"},
            "verdict": verdict, "created": f"2026-11-{day}T10:00:00Z",
        }  # fmt: skip
        (report / "summary.json").write_text(json.dumps(summary))
        publish(report, root, name)
    rows, tree = listed(root / "index.html")
    assert [row[0] for row in rows] == ["Model new <script>new", "Model old <script>old"]
    assert [row[1:4] for row in rows] == [
        ["Ascend NPUAscend910", "✗ fail", "2026-11-02 10:00 UTC"],
        ["Ascend NPUAscend910", "✓ pass", "2026-11-01 10:00 UTC"],
    ]
    links = [node.get("href") for node in tree.iter("a")]
    assert all((root / link).is_file() for link in links) and len(links) == 6
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
