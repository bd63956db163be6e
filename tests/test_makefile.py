"""The commands of the project: targets, what they call, and the set-up's own rules."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = (
    "report",
    "card",
    "compare",
    "pdf",
    "doctor",
    "messages",
    "model",
    "status",
    "sets",
    "docs",
    "test",
    "test-fast",
    "fuzz",
    "lab",
    "render",
    "publish",
    "clean",
    "help",
    "lint",
    "format",
    "lock",
    "demo-model",
    "wheels",
)


def make(*args: str) -> subprocess.CompletedProcess[str]:
    outer = (
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
        "SET",
        "BACKEND",
        "PYTHON",
        "VENV",
        "ARGS",
    )  # of the make that runs the tests
    env = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "--no-print-directory", "-C", str(ROOT), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.fixture(scope="module")
def setup_env():
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_help_lists_every_target():
    listed = re.findall(r"^  ([a-z-]+) ", make("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(TARGETS)


def test_help_says_what_every_verb_does():
    from evalpress.cli import VERBS

    listed = re.findall(r"^    ([a-z-]+) +(\w.*)$", make("help").stdout, re.MULTILINE)
    assert len(listed) >= len(VERBS) and {"check-versions", "report", "doctor"} <= {name for name, _ in listed}


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_planned(target):
    planned = make("-n", target)
    assert (planned.returncode, planned.stderr) == (0, "")


def test_set_backend_and_interpreter_reach_the_commands():
    planned = make("-n", "report", "SET=mine", "BACKEND=ascend", "PYTHON=/usr/bin/py", "VENV=").stdout
    assert "/usr/bin/py scripts/setup_env.py --venv '' --backend 'ascend'" in planned
    assert "/usr/bin/py -m evalpress report --set 'mine'" in planned
    assert ".venv/bin/python -m evalpress render --set 'demo'" in make("-n", "render").stdout


def test_fast_tests_leave_out_the_slow_ones():
    assert "-m pytest -m 'not slow'" in make("-n", "test-fast").stdout


def test_tests_that_load_an_engine_run_alone_after_the_others():
    (line,) = (line for line in make("-n", "test").stdout.splitlines() if "-m pytest" in line)
    others, alone = line.split("; rest=$?; ")
    assert "-m 'not engine' --durations=25 -n 2 " in others and " -n " not in alone
    assert alone.endswith(".venv/bin/python -m pytest -m engine --durations=25 && exit $rest")
    assert make("-n", "test", "ARGS=tests/x.py").stdout.splitlines()[-1].endswith("-m pytest tests/x.py")


def test_clean_needs_no_environment_and_takes_a_set_only_when_one_is_named():
    assert "setup_env" not in make("-n", "clean").stdout
    assert "--set" not in make("-n", "clean").stdout
    assert "clean --set 'demo'" in make("-n", "clean", "SET=demo").stdout


def test_an_interpreter_that_is_not_there_is_told_in_one_line():
    done = make("env", "PYTHON=/nowhere/python")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "set-up: /nowhere/python not found; name a Python 3.11 or newer, PYTHON=..."


def test_an_old_interpreter_is_told_in_one_line(tmp_path):
    old = tmp_path / "python"
    old.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])" "$2"\n'
    )
    old.chmod(0o755)
    done = make("env", f"PYTHON={old}")
    assert done.stderr.startswith(f"set-up: Python 3.11 or newer is needed, {old} is 3.9;")


def test_missing_prerequisites_are_told_before_anything_is_made(setup_env, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(setup_env, "FREE_GIB", 1 << 30)
    monkeypatch.setattr(setup_env.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    told = setup_env._missing_prerequisites(tmp_path / "venv", "cpu")
    assert [word for line in told for word in ("no-such-compiler", "headers", "disk space") if word in line] == [
        "no-such-compiler",
        "headers",
        "disk space",
    ]
    assert all("\n" not in line for line in told)
    assert not (tmp_path / "venv").exists()


def test_a_folder_that_is_no_environment_is_never_cleared(setup_env, tmp_path):
    (tmp_path / "precious").write_text("x")
    told = setup_env._missing_prerequisites(tmp_path, "cuda")
    assert told and "no virtual environment" in told[-1]


def test_an_existing_environment_keeps_its_engine_and_what_that_needs(setup_env):
    installed = {
        "torch": "2.9.0+cpu",
        "torch-npu": "2.9.0.post2",
        "vllm": "0.18.0+empty",
        "numpy": "1.26.4",
        "transformers": "4.57.4",
        "jupyterlab": "3.0",
        "evalpress": "0.0.1",
        "strange": "0.1-custom",
    }
    wanted = [ROOT / "requirements" / name for name in ("suite.in", "dev.in")]
    kept = setup_env.constrained(installed, wanted).splitlines()
    assert kept == [
        "numpy==1.26.4",
        "torch==2.9.0+cpu",
        "torch-npu==2.9.0.post2",
        "transformers==4.57.4",
        "vllm==0.18.0+empty",
    ]


def test_what_the_official_container_brings_stays_where_it_is(setup_env):
    # The package list of the vllm-ascend 0.18.0rc1 image, 2 April 2026.
    listed = (ROOT / "tests" / "data" / "ascend" / "versions" / "container_replica_2026-04-02.txt").read_text()
    installed = {setup_env._normal(name): number for name, _, number in (x.partition("==") for x in listed.split())}
    kept = set(setup_env.constrained(installed, [ROOT / "requirements" / "suite.in"]).split())
    assert {f"{name}=={number}" for name, number in installed.items() if name != "pip"} == kept
    assert {"numpy==1.26.4", "numba==0.61.2", "pandas==3.0.2", "torch-npu==2.9.0.post1+gitee7ba04"} <= kept


def test_running_needs_no_test_tools_and_a_folder_of_wheels_replaces_the_network(setup_env, tmp_path, monkeypatch):
    ran: list[list[str]] = []
    monkeypatch.setattr(setup_env.Steps, "run", lambda self, what, command, may_fail=False: ran.append(command) or True)
    monkeypatch.setattr(setup_env, "ROOT", tmp_path)
    setup_env._existing(checks=False, wheels=str(tmp_path))
    assert not any(part.endswith("dev.in") for part in ran[0])
    assert ran[0][ran[0].index("--find-links") + 1] == str(tmp_path) and "--no-index" in ran[0]
    setup_env._existing(checks=True, wheels="")
    assert any(part.endswith("dev.in") for part in ran[2]) and "--no-index" not in ran[2]
    with pytest.raises(setup_env.SetupError, match="no such folder; make wheels fills one"):
        setup_env._existing(checks=False, wheels=str(tmp_path / "absent"))


def test_a_finished_set_up_is_told_by_content_and_place(setup_env, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    file = tmp_path / "lock.txt"
    file.write_text("a==1")
    state = setup_env._digest([file], str(tmp_path))
    assert not setup_env._is_stamped(tmp_path, state)
    (tmp_path / setup_env.STAMP).write_text(state)
    assert setup_env._is_stamped(tmp_path, state)
    assert not setup_env._is_stamped(tmp_path, setup_env._digest([file], "elsewhere"))
    file.write_text("a==2")
    assert not setup_env._is_stamped(tmp_path, setup_env._digest([file], str(tmp_path)))


def test_a_failing_step_shows_the_end_of_its_output(setup_env, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(setup_env, "ROOT", tmp_path)
    monkeypatch.setattr(setup_env, "LOG", tmp_path / ".cache" / "setup.log")
    steps = setup_env.Steps(1)
    code = "print('\\n'.join(f'line {i}' for i in range(99))); raise SystemExit(3)"
    with pytest.raises(setup_env.SetupError, match=r"^a step failed; all of its output: \.cache/setup\.log$"):
        steps.run("a step", [sys.executable, "-c", code])
    told = capsys.readouterr()
    assert "line 98" in told.err and "line 50" not in told.err
    assert re.search(r"set-up 1/1  a step +0:0\d  failed", told.out)


def test_torch_is_asked_of_the_configured_places_first_then_of_its_own_index(setup_env, tmp_path, monkeypatch):
    asked = []

    class Recorder:
        def run(self, what, command, may_fail=False):
            asked.append(command)
            return not may_fail

        def again(self):
            pass

    setup_env._install_torch(Recorder(), ["pip"], ROOT / "requirements" / "torch-cpu.txt")
    assert len(asked) == 2
    assert setup_env.TORCH_INDEX not in asked[0]
    assert asked[1][asked[1].index("--index-url") + 1] == setup_env.TORCH_INDEX
    assert all(command[command.index("--retries") + 1] == "1" for command in asked)


def test_vllm_for_ascend_is_built_from_the_version_that_its_requirements_name(setup_env):
    wanted = re.search(r"^vllm==(\S+)", (ROOT / "requirements" / "ascend.in").read_text(), re.MULTILINE)
    assert setup_env.ASCEND_VLLM.endswith(f"@v{wanted.group(1)}")


def test_ci_runs_the_test_command():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
