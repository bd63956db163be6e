"""When serving's servers start: after the last timed measurement, before its figures are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import Project, measuring

pytestmark = pytest.mark.slow

STARTS = """\
from evalpress.core.paths import resolve

def start_ahead(set_name, reports_dir, overrides=None):
    with (resolve(reports_dir) / set_name / "ahead.txt").open("a") as file:
        file.write("started\\n")
"""
"""In place of serving's module: it starts nothing and notes that it was asked to."""
NOTED = "(job.folder / 'ahead.txt').exists()"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("lib/evalpress/sections/serving/servers.py", STARTS)
    made.notebook("00_setup", measuring("setup", f"assert not {NOTED}"))
    return made


def test_servers_start_when_the_benchmark_is_measured_and_once(project: Project) -> None:
    project.notebook("10_benchmark", measuring("benchmark", f"assert {NOTED}", inside=f"assert not {NOTED}"))
    done = project.run("report")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert (project.report / "ahead.txt").read_text() == "started\n"


def test_they_wait_for_the_first_untimed_section_where_the_benchmark_fails(project: Project) -> None:
    project.notebook("10_benchmark", measuring("benchmark", inside="raise ValueError('broken')"))
    project.notebook("40_alignment", measuring("alignment", inside=f"assert {NOTED}"))
    done = project.run("report")
    assert "40_alignment  done" in done.stdout
    assert (project.report / "ahead.txt").read_text() == "started\n"


def test_no_server_starts_beside_a_timed_section_that_comes_next(project: Project) -> None:
    project.write(
        "params/demo.yaml",
        (project.root / "params/demo.yaml").read_text() + "skip: {alignment: not asked, quality: not asked}\n",
    )
    done = project.run("report")
    assert "20_serving    done" in done.stdout
    assert not (project.report / "ahead.txt").exists()
