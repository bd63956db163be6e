"""The verb compare: the same run shows no difference, a slower copy is worse, another model is not compared."""

from __future__ import annotations

import json
import shutil

import pytest
from evalpress import cli
from evalpress.core.paths import ROOT

PUBLISHED = ROOT / "tests" / "data" / "report-0.1.0"


@pytest.fixture
def copy(tmp_path):
    """A copy of the published report's results, to be changed."""
    shutil.copytree(PUBLISHED / "results", tmp_path / "copy" / "results")
    return tmp_path / "copy"


def rows(capsys, *arguments, status=0):
    assert cli.main(["compare", *map(str, arguments), "--json"]) == status
    return {row["metric"]: row for row in json.loads(capsys.readouterr().out)["rows"]}


def changed(path, change):
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_run_beside_itself_shows_no_difference(capsys):
    found = rows(capsys, PUBLISHED, PUBLISHED / "results")
    assert len(found) > 40
    assert {row["verdict"] for row in found.values()} <= {"no_difference", "not_comparable"}
    assert found["benchmark.eager.decode.output_throughput"]["ci_low"] < 1


def test_a_slower_copy_is_worse(capsys, copy):
    def slower(blocks):
        for modes in blocks.values():
            for block in modes["compiled"]:
                block["duration"] *= 3
                for request in block["requests"]:
                    request["e2el"] *= 3

    changed(copy / "results" / "raw" / "benchmark-blocks.json", slower)
    found = rows(capsys, PUBLISHED, copy, "--fail-on-regression", status=1)
    assert found["benchmark.compiled.decode.output_throughput"]["verdict"] == "worse"
    assert found["benchmark.compiled.decode.mean_tpot_ms"]["verdict"] == "worse"
    assert found["benchmark.eager.decode.output_throughput"]["verdict"] == "no_difference"
    assert found["benchmark.compiled.decode.output_throughput"]["ratio"] == pytest.approx(1 / 3)


def test_a_slower_copy_on_a_slower_machine_is_no_slower_software(capsys, copy):
    def slower(blocks):
        for modes in blocks.values():
            for found in modes.values():
                for block in found:
                    block["duration"] *= 1.5

    def slower_machine(document):
        document["data"]["ceilings"]["memory_bandwidth_gb_s"] /= 1.5

    changed(copy / "results" / "raw" / "benchmark-blocks.json", slower)
    changed(copy / "results" / "benchmark.json", slower_machine)
    found = rows(capsys, PUBLISHED, copy)
    assert found["benchmark.eager.decode.output_throughput"]["verdict"] == "no_difference"

    def other_processor(document):
        document["provenance"]["host"]["cpu_model"] = "another"

    changed(copy / "results" / "setup.json", other_processor)
    found = rows(capsys, PUBLISHED, copy)
    assert found["benchmark.eager.decode.output_throughput"]["verdict"] == "worse"


def test_numerics_are_paired_text_by_text(capsys, copy):
    def larger(factor):
        def change(document):
            for run in document["data"]["candidates"].values():
                for part in (run, *run["prompts"]):
                    part["rmse"] *= factor

        return change

    key = "alignment.vllm_eager.rmse"
    changed(copy / "results" / "alignment.json", larger(1.04))
    row = rows(capsys, PUBLISHED, copy)[key]
    assert (row["verdict"], row["ci_low"]) == ("no_difference", pytest.approx(1.04))
    changed(copy / "results" / "alignment.json", larger(1.1))
    row = rows(capsys, PUBLISHED, copy)[key]
    assert (row["verdict"], row["ratio"]) == ("worse", pytest.approx(1.144))


def test_another_model_and_other_requests_are_not_compared(capsys, copy):
    for path in (copy / "results").glob("*.json"):
        if path.name != "status.json":
            changed(path, lambda document: document["params"]["model"].update(name="Another"))
    found = rows(capsys, PUBLISHED, copy)
    assert found["benchmark.eager.decode.output_throughput"]["verdict"] == "not_comparable"
    assert "another model" in found["benchmark.eager.decode.output_throughput"]["why"]


@pytest.mark.parametrize("given", ["nothing-there", "params"])
def test_no_results_is_one_line_and_2(capsys, given):
    assert cli.main(["compare", given, str(PUBLISHED)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert given in err
