"""Every row of a published adaptation card has its place in ours, or a reason: the table in docs/model-card.md."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from evalpress.core.paths import ROOT
from evalpress.report.card import make, support
from evalpress.report.card.source import read

DOC = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in DOC.split("## A published adaptation card, row by row")[1].splitlines()
    if line.startswith("| ") and not line.startswith("| row of")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The published demo results with their card."""
    demo = tmp_path_factory.mktemp("crosswalk") / "demo"
    skipped = shutil.ignore_patterns("raw*", "2*", "*.html")
    shutil.copytree(ROOT / "reports" / "published" / "demo", demo, ignore=skipped)
    make(demo)
    return demo


def test_the_table_is_read_whole():
    assert len(ROWS) > 70 and {len(row) for row in ROWS} == {3}


def test_each_named_row_is_in_the_named_file(folder):
    lacking = []
    for row, file, place in ROWS:
        if named := re.fullmatch("`([^`]+)`", file):
            (text,) = re.findall("`([^`]+)`", place)
            if text not in (folder / "card" / named[1]).read_text(encoding="utf-8"):
                lacking.append((row, named[1], text))
        else:
            assert file.startswith("not there") and len(place) > 20, row
    assert lacking == []


def test_each_status_of_the_support_matrix_names_a_result_that_is_there(folder):
    page = (folder / "card" / "ADAPT_REPORT.md").read_text(encoding="utf-8")
    part = page.split("## What was tried")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines() if "---" not in line]
    rows = [row for row in rows if len(row) == 4 and row[0] != "feature"]
    status = {row[0]: row[1] for row in rows}
    assert status["prefix cache"] == status["chunked prefill"] == "supported, run here"
    assert status["tensor parallel"] == status["speculative decoding"] == "not probed"
    for feature, state, _, result in rows:
        found = re.fullmatch(r"`results/(\w+)\.json: data\.([\w.]+)`", result)
        assert bool(found) == (state != "not probed"), feature
        if found:
            here = json.loads((folder / "results" / f"{found[1]}.json").read_text(encoding="utf-8"))["data"]
            assert _there(here, found[2].split(".")), feature


def _there(data, keys):
    """Whether a key leads to something; in a list the next key is an item's id or its check."""
    for key in keys:
        if isinstance(data, list):
            data = next((one for one in data if key in (one.get("id"), one.get("rung"))), None)
        else:
            data = data.get(key)
        if data is None:
            return False
    return True


def test_the_longest_sequence_is_one_that_ran(folder):
    page = (folder / "card" / "ADAPT_REPORT.md").read_text(encoding="utf-8")
    assert "| longest prompt and output that ran | 1,034 | `results/benchmark.json: data.workloads.prefill` |" in page


def test_optional_parts_of_the_benchmark_are_read(folder):
    """A part that ran is supported with its figure; one that the engine refused is not, with the engine's reason."""
    source = read(folder)
    loads = {"repeating": {"acceptance_rate": 0.8}, "ordinary": {"acceptance_rate": None}}
    source.documents["benchmark"]["data"]["features"] = {
        "prefix_cache": {"rate": 0.5, "expected_rate": 0.5},
        "speculation": {"loads": loads},
        "kv_cache": {"fp8": {"figures": None, "figures_why": "no kernel for it"}},
        "depth": {"points": [{"cached_tokens": 1_900}]},
    }
    rows = {row["feature"]: row for row in support.support(source)}
    assert rows["prefix"]["why"] == "50.0% of the prompt tokens came from the cache, 50.0% expected"
    assert rows["speculation"]["status"] == "supported" and "80.0%" in rows["speculation"]["why"]
    assert (rows["quantised_kv"]["status"], rows["quantised_kv"]["why"]) == ("unsupported", "no kernel for it")
    assert support.longest(source) == (1_900, "results/benchmark.json: data.features.depth")
    source.documents["benchmark"]["data"]["features"] |= {"speculation": None, "speculation_why": "no drafter"}
    rows = {row["feature"]: row for row in support.support(source)}
    assert (rows["speculation"]["status"], rows["speculation"]["why"]) == ("unsupported", "no drafter")
