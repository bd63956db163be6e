"""Reports of a synthetic project: what is run again, what is kept, what an interruption leaves."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from evalpress.sections.registry import EXECUTION, SUMMARY
from synthetic import STEMS, Project, alive, executed, measured, measuring

pytestmark = pytest.mark.slow

CHATTER = (
    "import os\nprint('from python')\nos.write(2, b'from the file descriptor\\n')\n_ = os.system('echo from a child')"
)
SAME_KERNEL = "import sys, os\nassert sys.first_notebook == os.getpid()\nassert 'leftover' not in globals()\nIn"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """A project in a folder with braces and blanks, whose report was made once."""
    project = Project(tmp_path_factory.mktemp("run") / "{odd} name {0}")
    project.notebook(
        "00_setup", measuring("setup", CHATTER, "import sys\nsys.first_notebook = os.getpid()\nleftover = 1\n1 + 1")
    )
    project.notebook("10_benchmark", measuring("benchmark", SAME_KERNEL))
    done = project.run("report")
    assert (done.returncode, done.stderr) == (0, "")
    project.first_output = done.stdout
    return project


def test_a_report_is_one_line_per_notebook_and_ends_with_path_and_verdict(finished):
    lines = finished.first_output.splitlines()
    order = [section.notebook for section in (*EXECUTION, SUMMARY)]
    assert sorted(order) == sorted(STEMS)
    assert [line.split()[:2] for line in lines[:-1]] == [[stem, "done"] for stem in order]
    assert lines[-1] == "reports/demo/report.html · verdict pass"


def test_printed_output_goes_to_the_log_and_results_to_the_notebook(finished):
    log = (finished.report / "logs" / "00_setup.log").read_text()
    assert all(f"from {source}" in log for source in ("python", "the file descriptor", "a child"))
    outputs = [out for cell in executed(finished, "00_setup").cells for out in cell.get("outputs", [])]
    assert [out.output_type for out in outputs] == ["execute_result"]


def test_one_kernel_serves_all_notebooks_each_with_an_empty_namespace(finished):
    assert finished.json("results/status.json")["sections"]["benchmark"] == {"status": "done"}
    cells = [cell for cell in executed(finished, "10_benchmark").cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_an_executed_notebook_is_marked_done_and_names_no_place_of_this_machine(finished):
    text = (finished.report / "notebooks" / "10_benchmark.ipynb").read_text()
    assert json.loads(text)["metadata"]["evalpress"]["status"] == "done"
    assert str(finished.root) not in text


def test_nothing_changed_nothing_done(finished):
    before = sorted((path, path.stat().st_mtime_ns) for path in finished.report.rglob("*") if path.name != ".lock")
    done = finished.run("report")
    assert done.stdout == "reports/demo/report.html is up to date · verdict pass\n"
    assert (done.returncode, done.stderr) == (0, "")
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in finished.report.rglob("*") if path.name != ".lock"
    )


def test_a_changed_template_only_renders(finished):
    finished.write("lib/evalpress/report/templates/page.css", "body {}")
    count = len((finished.report / "rendered.jsonl").read_text().splitlines())
    done = finished.run("report")
    assert done.stdout.splitlines()[-1] == "reports/demo/report.html · verdict pass"
    assert len((finished.report / "rendered.jsonl").read_text().splitlines()) == count + 1


def test_prose_is_shown_again_without_measuring_and_the_report_is_rendered(finished):
    path = finished.root / "notebooks" / "50_quality.ipynb"
    before = measured(finished)
    path.write_text(path.read_text().replace("# 50_quality", "# Another heading"))
    done = finished.run("report")
    assert done.returncode == 0
    assert measured(finished) == before
    assert "50_quality    done" in done.stdout
    assert "00_setup      up to date" in done.stdout
    assert "Another heading" in (finished.report / "notebooks" / "50_quality.ipynb").read_text()


def test_render_needs_only_the_results(finished, tmp_path):
    project = Project(tmp_path)
    (finished.report / "results").rename(project.report.parent.mkdir(parents=True) or project.report.parent / "kept")
    project.report.mkdir()
    (project.report.parent / "kept").rename(project.report / "results")
    try:
        done = project.run("render")
        assert (done.returncode, done.stderr) == (0, "")
        assert measured(project) == []
        assert sorted(path.stem for path in (project.report / "notebooks").glob("*.ipynb")) == sorted(STEMS)
    finally:
        (project.report / "results").rename(finished.report / "results")


def test_an_interrupt_leaves_the_old_results_and_no_process_and_meanwhile_a_second_report_is_refused(finished):
    sleeping = "import subprocess, time\nsubprocess.Popen(['sleep', '300'], start_new_session=True)\ntime.sleep(300)"
    cells = measuring("benchmark", inside=sleeping)
    original = (finished.root / "notebooks" / "10_benchmark.ipynb").read_text()
    before = {path: path.read_bytes() for path in (finished.report / "results").rglob("*.json")}
    finished.notebook("10_benchmark", cells)
    try:
        process = finished.start("report")
        wait_for(lambda: any(p.name() == "sleep" for p in alive(finished)))
        second = finished.run("report")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        (finished.root / "notebooks" / "10_benchmark.ipynb").write_text(original)
    assert (second.returncode, second.stdout) == (2, "")
    told = f"another evalpress is at work on this report (pid {process.pid}); wait for it or stop it"
    assert second.stderr == f"evalpress: reports/demo: {told}\n"
    assert process.returncode == 130
    assert err.count("\n") == 1 and err.startswith("evalpress: interrupted")
    assert alive(finished) == []
    assert before == {path: path.read_bytes() for path in (finished.report / "results").rglob("*.json")}
    assert [path.name for path in finished.report.rglob(".*")] == [".lock", ".state.json"]


@pytest.mark.slow
def test_a_killed_run_leaves_no_kernel_and_the_next_goes_on(tmp_path):
    project = Project(tmp_path)
    project.notebook("10_benchmark", measuring("benchmark", "import time\ntime.sleep(300)"))
    process = project.start("report")
    wait_for(lambda: (project.report / "results" / "benchmark.json").is_file())
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(project))
    assert not (project.report / "notebooks" / "10_benchmark.ipynb").exists()
    project.notebook("10_benchmark", measuring("benchmark"))
    assert project.run("report").returncode == 0
    assert measured(project).count("setup") == 1


@pytest.mark.slow
def test_parameters_of_the_command_line_are_measured_recorded_and_part_of_staleness(tmp_path):
    project = Project(tmp_path)
    done = project.run("report", "--param", "benchmark.blocks=3", "--param", "engine.seed=7")
    assert (done.returncode, done.stderr) == (0, "")
    stored = project.json("results/benchmark.json")
    assert (stored["params"]["benchmark"]["blocks"], stored["params"]["engine"]["seed"]) == (3, 7)
    assert stored["provenance"]["overrides"] == {"benchmark.blocks": 3, "engine.seed": 7}
    again = project.run("report", "--param", "engine.seed=7", "--param", "benchmark.blocks=3")
    assert "is up to date" in again.stdout
    plain = {row["section"]: row for row in json.loads(project.run("status", "--json").stdout)}
    assert plain["benchmark"]["state"] == "stale"
    assert "parameter benchmark.blocks: 3 before, 6 now" in plain["benchmark"]["why"]
    assert plain["quality"]["why"] == ["parameter engine.seed: 7 before, 0 now"]
    planned = json.loads(project.run("report", "--dry-run", "--json").stdout)
    assert {row["todo"] for row in planned["sections"]} == {"measure"}
    assert len(measured(project)) == len(EXECUTION)


@pytest.mark.parametrize("given", ["benchmark.blocks=no", "benchmark.blox=3", "nonsense"])
def test_unusable_parameters_of_the_command_line_are_one_line_and_2(tmp_path, given):
    project = Project(tmp_path)
    done = project.run("report", "--param", given)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--param" in done.stderr
    assert measured(project) == []


@pytest.mark.slow
def test_a_forced_measurement_that_fails_leaves_current_results(tmp_path):
    project = Project(tmp_path)
    assert project.run("report").returncode == 0
    before = {path: path.read_bytes() for path in (project.report / "results").rglob("*benchmark*")}
    source = project.root / "lib/evalpress/core/results.py"
    original = source.read_text()
    source.write_text(original + "\n\ndef write(*given):\n    raise OSError(28, 'No space left on device')\n")
    failed = project.run("report", "--force")
    assert failed.returncode == 1 and "OSError: [Errno 28] No space left on device" in failed.stdout
    assert before == {path: path.read_bytes() for path in (project.report / "results").rglob("*benchmark*")}
    assert json.loads(project.run("status", "--json").stdout)[1]["state"] == "failed"
    source.write_text(original)
    count = len(measured(project))
    assert project.run("report").returncode == 0
    assert len(measured(project)) == count


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ('set_name = "demo"\nreports_dir = "reports"', "parameter 'measure': unknown, allowed set_name, reports_dir"),
        (
            'set_name = 1\nreports_dir = "reports"\nmeasure = "auto"',
            "parameter 'set_name': found 'demo' (str), allowed int",
        ),
    ],
)
def test_parameters_that_a_notebook_does_not_take_stop_everything(tmp_path, head, told):
    project = Project(tmp_path)
    project.notebook("50_quality", measuring("quality"), head=head)
    done = project.run("report")
    assert done.returncode == 2 and measured(project) == []
    assert done.stderr.count("\n") == 1 and f"notebooks/50_quality.ipynb: {told}" in done.stderr


def wait_for(condition, patience_s: float = 90.0) -> None:
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_the_synthetic_project_is_complete(finished):
    assert {path.stem for path in Path(finished.root / "notebooks").glob("*.ipynb")} == set(STEMS)
