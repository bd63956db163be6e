"""Messages of the command line on unusable input: one line and an exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest
from evalpress import cli, params
from evalpress.cli import clean, verb
from evalpress.run import status


@pytest.fixture
def evalpress(capsys):
    def call(*args: str) -> tuple[int, str, str]:
        code = cli.main(list(args))
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_an_unknown_set_is_one_line_and_2(evalpress, tmp_path):
    status, out, err = evalpress("report", "--set", "dmeo", "--reports-dir", str(tmp_path))
    assert (status, out) == (2, "")
    assert err.startswith("evalpress: set 'dmeo': no such params file") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "block", "text", "message"),
    [
        ("cases.yaml", "quality: {{cases: [{0}]}}", "cases:\n  - {id: a}\n", "cases.yaml:2: case 'a': category: "),
        ("p.yaml", "evidence: {{prompts: [{0}]}}", "- {id: a, txt: b}\n", "p.yaml:1: txt: unknown key"),
        ("r.yaml", "quality: {{lm_eval: {{tasks: [t], references: {0}}}}}", "source: s\n", "r.yaml:1: scores: "),
        ("q.json", "quality: {{compare_with: {0}}}", "{}", "q.json: schema: found None"),
    ],
)
def test_a_mistake_in_a_file_that_a_section_reads_is_one_line_and_2(evalpress, tmp_path, name, block, text, message):
    (tmp_path / name).write_text(text)
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "title: t\nmodel: {path: models/demo}\nplatform: {backend: cpu}\n" + block.format(tmp_path / name) + "\n"
    )
    status, out, err = evalpress("report", "--set", str(mine), "--reports-dir", str(tmp_path / "reports"))
    assert (status, out) == (2, "")
    assert message in err and err.count("\n") == 1
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("given", ["qwen2-0.5b-cpu", "params/qwen2-0.5b-cpu.yaml"])
def test_a_sets_name_keeps_its_dots(given):
    assert verb.set_name(given) == "qwen2-0.5b-cpu"


def test_a_set_for_another_platform_is_one_line_and_2(evalpress, tmp_path):
    data = "extends: base\nplatform: {backend: ascend}\n"
    (tmp_path / "npu.yaml").write_text(data.replace("extends: base\n", "title: t\nmodel: {path: models/demo}\n"))
    status, out, err = evalpress(
        "report", "--set", str(tmp_path / "npu.yaml"), "--reports-dir", str(tmp_path / "reports")
    )
    assert (status, out) == (2, "")
    assert "this set is for ascend" in err and err.count("\n") == 1
    assert not (tmp_path / "reports").exists()


def test_anything_unexpected_is_one_line_and_its_traceback_is_kept(evalpress, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "CACHE", tmp_path)
    monkeypatch.setattr(clean, "_generated", lambda reports: 1 // 0)
    status, out, err = evalpress("clean")
    assert (status, out) == (1, "")
    assert err == "evalpress: unexpected ZeroDivisionError: integer division or modulo by zero (traceback: error.log)\n"
    assert "Traceback" in (tmp_path / "error.log").read_text()


def test_clean_removes_generated_reports_and_nothing_else(evalpress, tmp_path):
    for name in ("a", "b", "published", "photos"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    for name in ("a", "b", "published"):
        (tmp_path / name / ".lock").touch()
    assert evalpress("clean", "--set", "photos", "--reports-dir", str(tmp_path))[0] == 2
    assert evalpress("clean", "--set", "a", "--reports-dir", str(tmp_path))[0] == 0
    assert evalpress("clean", "--set", "a", "--reports-dir", str(tmp_path))[0] == 0
    assert evalpress("clean", "--set", "published", "--reports-dir", str(tmp_path))[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "photos", "published"]
    assert evalpress("clean", "--reports-dir", str(tmp_path))[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos", "published"]


def test_publishing_what_is_not_there_is_one_line_and_2(evalpress, tmp_path):
    status, _, err = evalpress("publish", "--reports-dir", str(tmp_path))
    assert status == 2 and err.count("\n") == 1 and not list(tmp_path.iterdir())


def test_sets_lists_every_set(evalpress):
    status, out, _ = evalpress("sets")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == params.available_sets()


def test_what_does_nothing_imports_nothing_heavy():
    heavy = (
        "torch",
        "vllm",
        "papermill",
        "nbconvert",
        "nbformat",
        "transformers",
        "matplotlib",
        "pandas",
        "numpy",
        "scipy",
    )
    test = f"import sys, evalpress.run.pipeline; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", test], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_rendering_without_results_is_one_line_and_2(evalpress, tmp_path):
    status, _, err = evalpress("render", "--reports-dir", str(tmp_path))
    told = f"{tmp_path / 'demo'}: no results to render; measure them with `make report SET=demo`"
    assert (status, err) == (2, f"evalpress: {told}\n")
    assert list(tmp_path.iterdir()) == []


def test_status_names_three_modules_and_counts_the_others(monkeypatch, capsys):
    modules = [f"module evalpress.core.m{n} changed" for n in range(20)]
    why = ("parameter engine.seed: 0 before, 1 now", *modules, "data: edited after it was written")
    monkeypatch.setattr(status, "of", lambda *_: [status.SectionStatus("serving", "stale", why)])
    assert cli.main(["status", "--set", "demo"]) == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [*modules[:3], "and 17 more modules of the library (--json names them)", why[-1]]
    monkeypatch.setattr(status, "of", lambda *_: [status.SectionStatus("serving", "stale", tuple(modules[:3]))])
    assert cli.main(["status", "--set", "demo"]) == 1
    assert "more modules" not in capsys.readouterr().out
