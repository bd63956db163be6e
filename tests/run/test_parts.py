"""The run package part by part: parameters cells, reasons, digests, environment, processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from evalpress import params
from evalpress.core import lock
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.launch import environment
from evalpress.run import notebook, parameters, processes, staleness, terminal
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


# Digests


def test_the_display_digest_follows_prose_results_and_presentation_but_not_the_run_package(tmp_path, monkeypatch):
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
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")  # the caller's allocator takes tcmalloc's place
    found = environment.preload_env(changed())["LD_PRELOAD"].split(":")
    assert found == ["/usr/lib/libjemalloc.so.2", str(tmp_path / "lib" / "libiomp5.so")]
    assert environment.preload_env(changed(platform={"backend": "cuda"})) == {}


# Processes


def test_marked_processes_are_ended_in_any_session(tmp_path):
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
