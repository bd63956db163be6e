"""Reports with notebooks that fail: reasons, what is kept, what is run again."""

from __future__ import annotations

import json

import pytest
from evalpress.sections.registry import EXECUTION, by_name
from synthetic import STEMS, Project, alive, executed, measured, measuring

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def failing(tmp_path_factory) -> Project:
    """A project with every kind of failure; the report was made once."""
    project = Project(tmp_path_factory.mktemp("failing"))
    params = (project.root / "params" / "demo.yaml").read_text()
    project.write("params/demo.yaml", params.replace("timeout_s: 60", "timeout_s: 20") + "skip: {quality: not today}\n")
    project.notebook("00_setup", measuring("setup", "'never reached'", inside="import sys\nsys.exit(0)"))
    orphan = "import subprocess, os\nsubprocess.Popen(['sleep', '300'], start_new_session=True)\n"
    project.notebook("10_benchmark", measuring("benchmark", inside=orphan + "os.kill(os.getpid(), 9)"))
    wrong = "from evalpress.core.errors import UserError\nraise UserError('serving.port: found 1,\\nallowed 2')"
    project.notebook("20_serving", measuring("serving", inside=wrong))
    project.notebook("30_evidence", measuring("evidence", inside="1 / 0"))
    cleaning = (
        "import time, pathlib\ntry:\n    time.sleep(300)\nfinally:\n    pathlib.Path(job.folder, 'cleaned').touch()"
    )
    project.notebook("40_alignment", measuring("alignment", inside=cleaning))
    project.done = project.run("report")
    return project


REASONS = {
    "setup": "a cell ended the notebook (sys.exit(0))",
    "benchmark": "the kernel died (killed by SIGKILL, as the system does when memory runs out)",
    "serving": "serving.port: found 1, allowed 2",
    "evidence": "ZeroDivisionError: division by zero",
    "alignment": "took longer than run.timeout_s = 20 s",
}


@pytest.mark.slow
def test_failures_are_told_in_one_line_each_and_the_rest_still_runs(failing):
    assert (failing.done.returncode, failing.done.stderr) == (1, "")
    lines = {line.split()[0]: line for line in failing.done.stdout.splitlines()}
    for section, stem in zip(REASONS, STEMS, strict=False):
        assert lines[stem].split()[1] == "failed" and lines[stem].endswith(REASONS[section])
    assert lines["50_quality"] == "  50_quality    skipped                         not today"
    assert lines["90_summary"].split()[1] == "done"
    assert failing.done.stdout.splitlines()[-1].endswith("verdict fail")
    assert "Traceback" not in failing.done.stdout


@pytest.mark.slow
def test_output_of_a_failed_notebook_is_kept_and_not_used(failing):
    results = failing.report / "results"
    for section, stem in zip(REASONS, STEMS, strict=False):
        assert not (results / f"{section}.json").exists() and not list(results.glob(f"raw/{section}-*"))
        assert not (failing.report / "notebooks" / f"{stem}.ipynb").exists()
        assert (failing.report / "failed" / f"{stem}.ipynb").is_file()
        assert (failing.report / "failed" / "raw" / f"{section}-numbers.json").is_file()
        assert (failing.report / "logs" / f"{stem}.log").is_file()
    assert "quality" not in measured(failing)


@pytest.mark.slow
def test_summary_and_renderer_are_told_what_failed(failing):
    status = failing.json("results/status.json")["sections"]
    assert status["quality"] == {"status": "skipped", "why": "not today"}
    assert {name: one["why"] for name, one in status.items() if one["status"] == "failed"} == REASONS
    call = json.loads((failing.report / "rendered.jsonl").read_text().splitlines()[-1])
    failures = dict(zip(STEMS, REASONS.values(), strict=False))
    assert call == {"failures": failures, "skipped": {"50_quality": "not today"}}


@pytest.mark.slow
def test_a_kernel_that_ended_leaves_no_child(failing):
    assert alive(failing) == []


@pytest.mark.slow
def test_a_time_out_lets_the_cell_clean_up(failing):
    assert (failing.report / "cleaned").is_file()


@pytest.mark.slow
def test_only_what_failed_is_run_again(failing):
    failing.write("params/demo.yaml", (failing.root / "params" / "demo.yaml").read_text().replace("skip:", "# skip:"))
    for section, stem in zip(REASONS, STEMS, strict=False):
        failing.notebook(stem, measuring(section))
    before = measured(failing)
    done = failing.run("report")
    assert done.returncode == 0
    again = {*REASONS, "quality"}
    assert measured(failing)[len(before) :] == [section.name for section in EXECUTION if section.name in again]
    assert failing.run("report").stdout.count("\n") == 1


DRAWING = {
    "benchmark": ("raise ValueError('no <b>ink</b>')", "ValueError: no <b>ink</b>"),
    "quality": ("import os\nos.kill(os.getpid(), 9)", "the kernel died (killed by SIGKILL"),
    "alignment": ("import time\ntime.sleep(300)", "took longer than run.timeout_s = 20 s"),
}


@pytest.fixture(scope="module")
def undrawn(tmp_path_factory) -> Project:
    """A project whose measurements succeed and whose tables and figures do not, in three ways."""
    project = Project(tmp_path_factory.mktemp("undrawn"))
    params = (project.root / "params" / "demo.yaml").read_text()
    project.write("params/demo.yaml", params.replace("timeout_s: 60", "timeout_s: 20"))
    for section, (code, _) in DRAWING.items():
        project.notebook(f"{by_name(section).notebook}", measuring(section, "'first'", code, "'after'"))
    project.done = project.run("report")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("section", DRAWING)
def test_a_section_keeps_what_it_measured_when_a_table_cannot_be_drawn(undrawn, section):
    assert (undrawn.done.returncode, undrawn.done.stderr) == (1, "")
    assert undrawn.json(f"results/{section}.json")["data"] == {"figure": 1}
    assert (undrawn.report / "results" / "raw" / f"{section}-numbers.json").is_file()
    state = undrawn.json("results/status.json")["sections"][section]
    assert state["status"] == "done" and state["not_shown"].startswith(DRAWING[section][1])
    stem = by_name(section).notebook
    line = next(line for line in undrawn.done.stdout.splitlines() if line.startswith(f"  {stem}"))
    assert line.split()[1] == "partly" and DRAWING[section][1] in line
    assert executed(undrawn, stem).metadata.evalpress.status == "partial"


@pytest.mark.slow
def test_cells_after_one_that_failed_to_draw_are_executed(undrawn):
    shown = [out for cell in executed(undrawn, "10_benchmark").cells for out in cell.get("outputs", [])]
    assert [out.output_type for out in shown] == ["execute_result", "error", "execute_result"]


@pytest.mark.slow
def test_what_was_not_drawn_is_drawn_by_the_next_run_without_measuring(undrawn):
    for section in DRAWING:
        undrawn.notebook(by_name(section).notebook, measuring(section, "'first'", "1", "'after'"))
    # The code of the notebook decides results: the same cells without an error are those of a repaired library.
    before = measured(undrawn)
    done = undrawn.run("render")
    assert (done.returncode, measured(undrawn)) == (0, before)
    assert all(one == {"status": "done"} for one in undrawn.json("results/status.json")["sections"].values())
