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


SPEED = {"plain_tok_s": 100.0, "feature_tok_s": 150.0, "ratio": 1.5, "ci_low": 1.2, "ci_high": 1.8, "n_pairs": 4}


def load(rate):
    """Speculation on one kind of prompts."""
    lacking = {"mean_acceptance_length": None, "mean_acceptance_length_why": "not counted"}
    lacking |= {} if rate else {"acceptance_rate_why": "no drafts"}
    counts = {"requests": 4, "drafts": 5, "draft_tokens": 20, "accepted_tokens": 16, "accepted_per_position": [0.8]}
    outputs = {"identical": 4, "of": 4, "differences": []}
    return {"acceptance_rate": rate, "speed": SPEED, "outputs": outputs} | counts | lacking


def depth(tokens):
    """A curve of one point."""
    seconds = dict.fromkeys(("decode_s_per_token", "decode_s_per_token_low", "decode_s_per_token_high"), 0.01)
    seconds |= dict.fromkeys(("prefill_s", "prefill_s_low", "prefill_s_high"), 0.1)
    point = {"cached_tokens": tokens, "runs": 3, "decode_tok_s": 100.0, "prefill_tok_s": 640.0} | seconds
    line = dict.fromkeys(("slope_s", "slope_s_low", "slope_s_high", "kv_bytes_per_cached_token", "bound_s", "ratio"), 1)
    return {"rule": "", "block_size": 16, "output_len": 8, "chunk_len": 64, "points": [point]} | line


def test_optional_parts_of_the_benchmark_are_read(folder, tmp_path):
    """A part that ran is supported with its figure; one that the engine refused is not, with the engine's reason."""

    def source(**more):
        for path in (folder / "summary.json", *(folder / "results").glob("*.json")):
            (tmp_path / path.relative_to(folder)).parent.mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / path.relative_to(folder))
        path = tmp_path / "results" / "benchmark.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        document["data"]["features"] = features | more
        path.write_text(json.dumps(document), encoding="utf-8")
        return read(tmp_path)

    hits = dict.fromkeys(("expected_hits", "hits", "counted_hits"), 50) | {"expected_rate": 0.5, "rate": 0.5}
    lookup = {"num_speculative_tokens": 4, "prompt_lookup_min": 2, "prompt_lookup_max": 4, "output_len": 32}
    features = {
        "mode": "compiled",
        "prefix_cache": {"block_size": 16, "groups": [], "prompt_tokens": 100, "counted_queries": 100} | hits,
        "speculation": {"prompts": "", "loads": {"repeating": load(0.8), "ordinary": load(None)}} | lookup,
        "kv_cache": {"fp8": {"figures": None, "figures_why": "no kernel for it"}},
        "depth": depth(1_900),
    }
    found = source()
    rows = {row.feature: row for row in support.support(found)}
    assert rows["prefix"].why == "50.0% of the prompt tokens came from the cache, 50.0% expected"
    assert rows["speculation"].status == "supported" and "80.0%" in rows["speculation"].why
    assert (rows["quantised_kv"].status, rows["quantised_kv"].why) == ("unsupported", "no kernel for it")
    assert support.longest(found) == (1_900, "results/benchmark.json: data.features.depth")
    rows = {row.feature: row for row in support.support(source(speculation=None, speculation_why="no drafter"))}
    assert (rows["speculation"].status, rows["speculation"].why) == ("unsupported", "no drafter")
