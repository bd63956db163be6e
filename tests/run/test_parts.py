"""The run room part by part: parameters cells, reasons, results set aside, digests, environment, command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from evalpress import cli, params
from evalpress.cli import clean, verb
from evalpress.core import lock
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.launch import environment
from evalpress.run import notebook, parameters, processes, staleness, terminal
from evalpress.sections import backup
from evalpress.sections.registry import SECTIONS, SUMMARY, by_name
from hypothesis import given
from hypothesis import strategies as st


def write_notebook(path: Path, *cells: nbformat.NotebookNode) -> Path:
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def code(source: str, *tags: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


# The parameters cell


def test_defaults_are_read_as_python_reads_them(tmp_path):
    source = "a = 1\nb: str | None = None  # x = y = z\nc = 'a = b'\nd: list[int] = [1, 2]\ne = -1.5"
    path = write_notebook(tmp_path / "n.ipynb", code("x = 1"), code(source, "parameters"))
    assert parameters.defaults(path) == {"a": 1, "b": None, "c": "a = b", "d": [1, 2], "e": -1.5}


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"setname": "x"}, "parameter 'setname': unknown, allowed set_name, limit, share, on, free"),
        ({"set_name": 1}, "parameter 'set_name': found 1 (int), allowed str (its default is 'demo')"),
        ({"limit": True}, "parameter 'limit': found True (bool), allowed int (its default is 3)"),
        ({"limit": 3.0}, "parameter 'limit': found 3.0 (float), allowed int (its default is 3)"),
        ({"on": 1}, "parameter 'on': found 1 (int), allowed bool (its default is False)"),
    ],
)
def test_a_parameter_that_does_not_fit_is_told(tmp_path, given_, told):
    cell = code("set_name = 'demo'\nlimit = 3\nshare = 0.5\non = False\nfree: str | None = None", "parameters")
    path = write_notebook(tmp_path / "n.ipynb", cell)
    with pytest.raises(UserError) as error:
        parameters.check(path, given_)
    assert str(error.value) == f"n.ipynb: {told}"
    parameters.check(path, {"set_name": "x", "limit": 4, "share": 1, "on": True, "free": "anything"})


@pytest.mark.parametrize(
    "cells",
    [
        [],
        [code("a = 1")],
        [code("a = 1", "parameters"), code("b = 1", "parameters")],
        [code("a = f()", "parameters")],
        [code("import os", "parameters")],
        [code("a, b = 1, 2", "parameters")],
        [code("a = = 1", "parameters")],
    ],
)
def test_anything_but_one_cell_of_literals_is_refused(tmp_path, cells):
    with pytest.raises(UserError, match=r"^n\.ipynb: "):
        parameters.defaults(write_notebook(tmp_path / "n.ipynb", *cells))


def test_every_notebook_of_the_suite_takes_what_the_pipeline_gives():
    for section in (*SECTIONS, SUMMARY):
        path = ROOT / "notebooks" / f"{section.notebook}.ipynb"
        parameters.check(path, {"set_name": "demo", "reports_dir": "reports", "measure": "auto"})


# Reasons


@pytest.mark.parametrize(
    ("name", "message", "told"),
    [
        ("UserError", "params/x.yaml: set: found 1,\n allowed 2", "params/x.yaml: set: found 1, allowed 2"),
        ("MeasurementError", "no free memory", "no free memory"),
        ("ValueError", "\x1b[31mred\x1b[0m", "ValueError: red"),
        ("KeyboardInterrupt", "", "KeyboardInterrupt"),
        ("SystemExit", "3", "a cell ended the notebook (sys.exit(3))"),
    ],
)
def test_a_failure_has_a_reason_of_one_line(name, message, told):
    assert notebook.reason(name, message) == told


@given(st.text(max_size=2000), st.text(max_size=2000))
def test_no_message_breaks_the_line_or_the_terminal(name, message):
    line = terminal.printable(notebook.reason(name or "E", message))
    assert line.isprintable() and len(line) <= 500 + len(name)


def test_pending_cells_are_no_success(tmp_path):
    done, pending = code("1"), code("2")
    done.metadata["papermill"], pending.metadata["papermill"] = {"status": "completed"}, {"status": "pending"}
    assert notebook.unfinished(write_notebook(tmp_path / "a.ipynb", done)) is None
    assert notebook.unfinished(write_notebook(tmp_path / "b.ipynb", done, pending)) == "not all cells were executed"


@pytest.mark.parametrize("first", ["evalpress.run, papermill", "evalpress.run.engine", "evalpress.run.execution"])
def test_papermill_finds_the_engine_whatever_is_imported_first(first):
    test = f"import {first}; from papermill.engines import papermill_engines as e; print(e.get_engine('evalpress'))"
    done = subprocess.run([sys.executable, "-c", test], capture_output=True, text=True, check=False)
    assert "evalpress.run.engine.SharedKernelEngine" in done.stdout, done.stderr


# Results set aside


@pytest.fixture
def folder(tmp_path) -> Path:
    put(tmp_path, "old")
    (tmp_path / "results" / "raw" / "quality_other.json").write_text("not ours")
    return tmp_path


def put(folder: Path, text: str, result: bool = True) -> None:
    (folder / "results" / "raw").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "raw" / "quality-a.json").write_text(text)
    if result:
        # Results are always replaced, never written into.
        (folder / "results" / "new").write_text(text)
        (folder / "results" / "new").replace(folder / "results" / "quality.json")


def held(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*.json")) if "other" not in p.name}


OLD = {"results/quality.json": "old", "results/raw/quality-a.json": "old"}


def test_an_interrupted_measurement_leaves_the_old_pair(folder):
    backup.save(folder, "quality")
    put(folder, "half", result=False)
    (folder / "results" / "raw" / "quality-b.json").write_text("half")
    backup.recover(folder, "quality")
    assert held(folder) == OLD and not (folder / ".aside").exists()


def test_an_interrupted_notebook_keeps_results_that_were_completed(folder):
    backup.save(folder, "quality")
    put(folder, "new")
    backup.recover(folder, "quality")
    assert held(folder) == dict.fromkeys(OLD, "new") and not (folder / ".aside").exists()


def test_an_interrupted_first_measurement_leaves_nothing(tmp_path):
    backup.save(tmp_path, "quality")
    put(tmp_path, "half", result=False)
    backup.recover(tmp_path, "quality")
    assert held(tmp_path) == {}


@pytest.mark.parametrize("result", [True, False])
def test_a_failed_measurement_is_archived_and_the_old_results_are_put_back(folder, result):
    backup.save(folder, "quality")
    put(folder, "new", result)
    backup.archive(folder, "quality")
    new = ["failed/quality.json"] * result + ["failed/raw/quality-a.json"]
    assert held(folder) == {**dict.fromkeys(new, "new"), **OLD}


def test_recovering_when_nothing_was_interrupted_changes_nothing(folder):
    backup.recover(folder, "quality")
    assert held(folder) == OLD


def test_results_that_were_not_written_again_are_not_taken_for_new(folder):
    backup.save(folder, "quality")
    assert not backup.renewed(folder, "quality")
    time.sleep(0.01)
    put(folder, "old")
    assert backup.renewed(folder, "quality")


# Digests


def test_the_display_digest_follows_prose_results_and_looks_but_not_the_run_room(tmp_path, monkeypatch):
    loaded, section = params.load("demo"), by_name("quality")
    monkeypatch.setattr(staleness, "NOTEBOOKS", tmp_path)
    source = json.loads((ROOT / "notebooks" / "50_quality.ipynb").read_text())
    (tmp_path / "50_quality.ipynb").write_text(json.dumps(source))
    inputs = staleness.inputs_digest(section, loaded)
    source["metadata"]["kernelspec"] = {"name": "x"}
    (tmp_path / "50_quality.ipynb").write_text(json.dumps(source))
    assert staleness.inputs_digest(section, loaded) == inputs
    source["cells"][0]["source"] = "# Another"
    (tmp_path / "50_quality.ipynb").write_text(json.dumps(source))
    assert staleness.inputs_digest(section, loaded) != inputs
    shown = staleness.display_digest(inputs, section, tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "evidence.json").write_text("{}")
    assert staleness.display_digest(inputs, section, tmp_path) == shown
    assert staleness.display_digest(inputs, SUMMARY, tmp_path) != staleness.display_digest(
        inputs, SUMMARY, folder_of(tmp_path)
    )
    (tmp_path / "results" / "quality.json").write_text("{}")
    assert staleness.display_digest(inputs, section, tmp_path) != shown


def folder_of(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir(exist_ok=True)
    return tmp_path / "empty"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"metadata": {"evalpress": {"digest": "x", "status": "running"}}}', "not json"]
)
def test_only_a_finished_mark_counts(tmp_path, text):
    (tmp_path / "n.ipynb").write_text(text)
    assert staleness.executed_digest(tmp_path / "n.ipynb") is None
    assert staleness.executed_digest(tmp_path / "none.ipynb") is None


# Environment of the kernel


def changed(**blocks: dict) -> params.Params:
    data = params.load("demo").model_dump()
    for block, values in blocks.items():
        data[block] |= values
    return params.Params.model_validate(data)


def test_the_embedded_default_runs_in_the_kernels_process_without_the_network():
    env = environment.engine_env(changed())
    assert env["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert env["HF_HUB_OFFLINE"] == "1"
    assert Path(env["VLLM_CACHE_ROOT"]).is_relative_to(ROOT / ".cache")


def test_two_workers_and_other_backends_get_a_process_of_their_own():
    assert not environment.in_process(changed(engine={"tensor_parallel_size": 2}))
    assert not environment.in_process(changed(platform={"backend": "ascend"}))
    assert environment.in_process(changed(platform={"backend": "cuda"}, engine={"in_process": True}))
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment.engine_env(
        changed(platform={"backend": "cuda"}, engine={"kv_cache_gib": 2.0})
    )


def test_a_hub_name_may_use_the_network_and_the_set_has_the_last_word():
    env = environment.engine_env(changed(model={"path": "Qwen/Qwen2-0.5B"}, engine={"env": {"VLLM_CACHE_ROOT": "/x"}}))
    assert "HF_HUB_OFFLINE" not in env and env["VLLM_CACHE_ROOT"] == "/x"
    assert environment.engine_env(changed(model={"source": "modelscope"}))["VLLM_USE_MODELSCOPE"] == "true"


def test_the_server_starts_no_worker_process_for_a_single_worker():
    assert environment.server_env(changed())["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    two = changed(engine={"tensor_parallel_size": 2})
    assert environment.server_env(two)["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1"


def test_preloaded_libraries_are_found_once_and_only_for_cpu(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    for name in ("libtcmalloc_minimal.so.4", "libiomp5.so"):
        (tmp_path / "lib" / name).touch()
    monkeypatch.setattr(environment.sys, "prefix", str(tmp_path))
    monkeypatch.setenv("LD_PRELOAD", "/mine/libx.so /mine/libiomp5.so")
    found = environment.preload_env(changed())["LD_PRELOAD"].split(":")
    assert found == ["/mine/libx.so", "/mine/libiomp5.so", str(tmp_path / "lib" / "libtcmalloc_minimal.so.4")]
    assert environment.preload_env(changed(platform={"preload": False})) == {}
    assert environment.preload_env(changed(platform={"backend": "cuda"})) == {}


# Processes


def test_marked_processes_end_wherever_they_went(tmp_path):
    child = "import subprocess, time; subprocess.Popen(['sleep', '300'], start_new_session=True); time.sleep(300)"
    env = {**os.environ, lock.MARKER: str(tmp_path)}
    marked = subprocess.Popen([sys.executable, "-c", child], env=env)
    other = subprocess.Popen(["sleep", "300"], env={**os.environ, lock.MARKER: str(tmp_path / "other")})
    try:
        end = time.monotonic() + 10
        while len(list(processes._of(tmp_path))) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        processes.end_all(tmp_path)
        assert list(processes._of(tmp_path)) == []
        assert other.poll() is None
    finally:
        for process in (marked, other):
            process.kill()
            process.wait()


# Command line


@pytest.fixture
def evalpress(capsys):
    def call(*args: str) -> tuple[int, str, str]:
        status = cli.main(list(args))
        told = capsys.readouterr()
        return status, told.out, told.err

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
    assert (status, err) == (2, "evalpress: demo: no results to render; measure them with `make report SET=demo`\n")
    assert list(tmp_path.iterdir()) == []
