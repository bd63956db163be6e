"""A finished report as objects, and the generated documentation of results files."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import evalpress
import pandas
import pytest
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.sections.registry import SECTIONS

PUBLISHED = ROOT / "reports" / "published" / "demo"


@pytest.fixture(scope="module")
def report():
    return evalpress.load(str(PUBLISHED))


def test_every_section_is_there_and_has_frames_of_numbers(report):
    assert repr(report).startswith("Report('demo', sections: setup, benchmark")
    for section in SECTIONS:
        frames = report.frames(section.name)
        assert frames and all(isinstance(frame, pandas.DataFrame) for frame in frames.values())
    speed = report.frames("benchmark")["workloads"]
    assert any(pandas.api.types.is_numeric_dtype(speed[column]) for column in speed.columns)


def test_a_verdict_in_a_frame_is_the_bare_word(report):
    cases = report.frames("quality")["cases"]
    verdicts = {value for column in cases.columns for value in cases[column] if value in ("pass", "fail")}
    assert verdicts == {"pass", "fail"}


def test_objects_are_reached_by_attribute(report):
    stored = json.loads((PUBLISHED / "results" / "benchmark.json").read_text())["data"]
    rate = stored["modes"]["eager"]["workloads"]["decode"]["output_throughput"]
    assert report.benchmark.modes["eager"].workloads["decode"].output_throughput == rate


def test_what_is_not_there_is_one_line_with_the_command(tmp_path):
    with pytest.raises(UserError, match="make report SET=nothing"):
        evalpress.load("nothing", tmp_path)
    (tmp_path / "half" / "results").mkdir(parents=True)
    with pytest.raises(UserError, match=r"benchmark\.json: no results; measure them with `make report SET=half`"):
        _ = evalpress.load("half", tmp_path).benchmark
    with pytest.raises(UserError, match="no summary"):
        _ = evalpress.load("half", tmp_path).summary


@pytest.mark.parametrize("text", ["", "null", "{", '{"schema": "evalpress/quality/1", "data": null}'])
def test_an_edited_file_is_one_line(tmp_path, text):
    shutil.copytree(PUBLISHED / "results", tmp_path / "r" / "results", ignore=shutil.ignore_patterns("raw"))
    (tmp_path / "r" / "results" / "quality.json").write_text(text)
    (tmp_path / "r" / "summary.json").write_text(text)
    report = evalpress.load("r", tmp_path)
    for ask in (lambda: report.quality, lambda: report.summary):
        with pytest.raises(UserError) as error:
            ask()
        assert str(error.value).count("\n") == 0 and ".json" in str(error.value)


def test_load_works_from_any_folder_and_the_package_itself_stays_light(tmp_path):
    code = (
        "import sys, evalpress; heavy = {'numpy', 'pandas', 'pydantic'} & set(sys.modules); "
        f"print(sorted(heavy), evalpress.load({str(PUBLISHED)!r}).name)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[] demo\n", "")


def test_the_documentation_of_results_files_is_current():
    path = ROOT / "scripts" / "results_docs.py"
    spec = importlib.util.spec_from_file_location("results_docs", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for file, text in made.files().items():
        assert file.is_file() and file.read_text(encoding="utf-8") == text, f"{file.name}: run {path.name}"
    assert all("data" in schema["properties"] for name, schema in made.schemas().items() if name != "summary")


def test_raw_observations_of_a_published_report_are_read_from_its_archive(tmp_path):
    (tmp_path / "r" / "results" / "raw").mkdir(parents=True)
    (tmp_path / "r" / "results" / "raw" / "benchmark-blocks.json").write_text('{"decode": [1]}')
    shutil.make_archive(str(tmp_path / "r" / "results" / "raw"), "zip", tmp_path / "r" / "results", "raw")
    shutil.rmtree(tmp_path / "r" / "results" / "raw")
    report = evalpress.load("r", tmp_path)
    assert report.raw("benchmark", "blocks") == {"decode": [1]}
    with pytest.raises(UserError, match=r"raw\.zip: quality-cases\.json: not readable"):
        report.raw("quality", "cases")


def test_a_result_prints_in_a_few_short_lines(report):
    for section in SECTIONS:
        lines = repr(getattr(report, section.name)).splitlines()
        assert len(lines) <= 30 and all(len(line) <= 120 for line in lines), section.name
    assert "modes={eager, compiled}" in repr(report.benchmark)


def test_a_notebook_shows_an_error_as_one_line(tmp_path):
    with pytest.raises(UserError) as caught:
        evalpress.load("nothing", tmp_path)
    (line,) = caught.value._render_traceback_()  # what IPython prints in place of a traceback
    assert line.startswith("UserError: ") and "make report SET=nothing" in line and "\n" not in line
