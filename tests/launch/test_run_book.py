"""The run book: what is printed is what runs. Read back by Python's parser, a real shell and vLLM's own parser."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from evalpress import engine, launch
from evalpress.core import results
from evalpress.core.paths import ROOT
from evalpress.launch import settings, variables
from evalpress.launch.arguments import arguments
from evalpress.params.load import available_sets, load
from evalpress.params.schema import EngineParams, ModelParams, Params, PlatformParams, ServingParams
from evalpress.sections.setup import run_book
from hypothesis import given
from hypothesis import strategies as st

BACKENDS = ("cpu", "cuda", "ascend")
# No null byte: no command line can carry one.
WORDS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=12)


def _params(backend: Any, **engine: Any) -> Params:
    return Params(
        set="x",
        title="x",
        model=ModelParams(path="models/qwen2-0.5b-shape", weights="random"),
        platform=PlatformParams(backend=backend),
        engine=EngineParams(**{"max_model_len": 4096, "gpu_memory_utilization": 0.85, **engine}),
        serving=ServingParams(port=8123),
    )


def _demo(**engine: Any) -> Params:
    model = ModelParams(path="models/demo")
    basis = {"kv_cache_gib": 1.0, "modes": ("eager",)}
    platform = PlatformParams(backend="cpu")
    return Params(set="x", title="x", model=model, platform=platform, engine=EngineParams(**{**basis, **engine}))


def _call(tree: ast.AST, name: str) -> dict[str, Any]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == name]
    assert len(calls) == 1
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in calls[0].keywords}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", ["eager", "compiled"])
def test_the_snippet_loads_the_engine_that_the_report_loads(backend: str, mode: Any) -> None:
    params = _params(backend, compilation_config={"cudagraph_mode": "PIECEWISE"})
    tree = ast.parse(launch.offline_snippet(params, mode))
    found, used = _call(tree, "LLM"), arguments(params, mode)
    assert ROOT / found.pop("model") == Path(used.pop("model"))
    assert found == used
    assert _call(tree, "SamplingParams")["temperature"] == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_set_value_reaches_the_server(backend: str) -> None:
    argv = launch.serve_argv(_params(backend), "eager")
    options = dict(zip(argv, argv[1:], strict=False))
    assert options["--dtype"] == "bfloat16"
    assert options["--max-model-len"] == "4096"
    assert options["--gpu-memory-utilization"] == "0.85"
    assert options["--port"] == "8123"
    assert {"--enforce-eager", "--no-enable-prefix-caching", "--skip-tokenizer-init"} <= set(argv)
    assert "--trust-remote-code" not in argv
    assert "--enforce-eager" not in launch.serve_argv(_params(backend), "compiled")
    assert launch.serve_argv(_params(backend), "eager", port=9)[-1] == "9"


def test_two_devices_differ_in_tensor_parallelism_only() -> None:
    one = _params("ascend")
    two = launch.two_devices(one)
    pairs = zip(launch.serve_argv(one, "compiled"), launch.serve_argv(two, "compiled"), strict=True)
    assert [(a, b) for a, b in pairs if a != b] == [("1", "2")]
    assert re.fullmatch(r"[\d-]+\|[\d-]+", launch.env(launch.two_devices(_demo()))["VLLM_CPU_OMP_THREADS_BIND"])


@hypothesis.settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6))
def test_a_real_shell_reads_the_printed_command_back(words: list[str]) -> None:
    argv = ["printf", r"%s\0", *words]
    done = subprocess.run(["bash", "-c", launch.shell(argv)], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


def test_a_real_shell_sets_the_printed_variables() -> None:
    text = launch.shell(["bash", "-c", 'printf %s "$A_VARIABLE"'], {"A_VARIABLE": "a 'quoted' $value"})
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "a 'quoted' $value"


@given(WORDS, WORDS)
def test_curl_carries_any_prompt(served: str, prompt: str) -> None:
    argv = launch.curl_argv("http://localhost:8000", served, prompt)
    body = json.loads(argv[-1])
    assert (body["model"], body["prompt"], body["temperature"]) == (served, prompt, 0)
    assert argv[2] == "http://localhost:8000/v1/completions"


def test_python_in_a_command_is_this_interpreter() -> None:
    assert launch.program(["python", "-m", "x"]) == sys.executable
    assert Path(launch.program(["pytest"])).parent == Path(sys.executable).parent


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_run_book_is_a_valid_result_and_names_no_folder_of_this_machine(backend: str) -> None:
    params = _params(backend, env={"HCCL_DETERMINISTIC": "true"})
    built = run_book.build(params)
    results.check_values(built.model_dump(mode="json"), "runbook")
    commands = {command.id: command for command in built.commands}
    assert list(commands) == ["offline", "serve", "curl", "two_devices", "fast_start"]
    assert str(ROOT) not in built.model_dump_json()
    for command in commands.values():
        assert command.runs_in in ("benchmark", "serving", None)
        if command.argv is not None:
            assert command.text == launch.shell(list(command.argv), command.env)
    assert list(commands["serve"].argv) == launch.serve_argv(params, params.serving.mode)
    assert list(commands["fast_start"].argv) == launch.serve_argv(params, "eager")


@pytest.mark.parametrize("name", available_sets())
def test_every_set_of_the_project_has_a_run_book(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalpress.model.resolve", lambda params: ROOT / "models" / "qwen2-0.5b-shape")
    params = load(name)
    built = run_book.build(params)
    commands = {command.id: command for command in built.commands}
    assert params.model.path in commands["offline"].text
    assert params.model.path in commands["serve"].argv
    skipped = "serving" in params.skip
    assert (commands["serve"].runs_in is None) == skipped
    assert not skipped or params.skip["serving"] in commands["serve"].runs_in_why
    assert (commands["fast_start"].runs_in == "serving") == (not skipped and "eager" in params.serving.modes)


def test_a_server_that_already_runs_is_asked_and_not_started() -> None:
    params = _demo().model_copy(update={"serving": ServingParams(base_url="http://node7:8000")})
    commands = {command.id: command for command in run_book.build(params).commands}
    assert (commands["serve"].runs_in, commands["curl"].runs_in) == (None, "serving")
    assert "http://node7:8000/v1/completions" in commands["curl"].argv


def test_a_setting_of_the_set_is_shown_as_in_force() -> None:
    rows = settings.rows(_params("ascend", env={"HCCL_DETERMINISTIC": "true"}), env={})
    found = {row["name"]: row["found"] for row in rows}
    assert found["HCCL_DETERMINISTIC"] == "true"
    assert found["LCCL_DETERMINISTIC"] is None


# What vllm-ascend 0.18.0rc1 reads: recorded data against the claims made from it.


def test_every_setting_says_who_reads_it_and_where_that_is_stated() -> None:
    for rows in settings.SETTINGS.values():
        for row in rows:
            assert all((row.name, row.value, row.effect, row.read_by, row.source))
            assert row.value != "" and row.name == row.name.upper()


def test_the_recorded_release_is_the_cards() -> None:
    recorded = json.loads(variables.RECORDED.read_text())
    assert recorded["version"] == "0.18.0rc1"
    assert "VLLM_ASCEND_MODE" not in {**recorded["reads"], **recorded["sets"]}
    assert recorded["reads"]["HCCL_OP_EXPANSION_MODE"][-1] == "utils.py"
    assert recorded["reads"]["ASCEND_LAUNCH_BLOCKING"] == ["platform.py"]
    assert recorded["sets"]["HCCL_DETERMINISTIC"] == recorded["sets"]["LCCL_DETERMINISTIC"] == ["batch_invariant.py"]
    assert not {"ATB_MATMUL_SHUFFLE_K_ENABLE", "ATB_LLM_LCOC_ENABLE"} & set(recorded["reads"])


def test_an_installed_vllm_ascend_agrees_with_the_claim_about_its_mode_variable() -> None:
    pytest.importorskip("vllm_ascend", reason="its source is read, which only an Ascend environment has")
    assert variables.mentions("VLLM_ASCEND_MODE").startswith("not mentioned")


def test_why_the_mode_variable_is_left_out() -> None:
    (mode, *_) = settings.left_out(_params("ascend"))
    assert mode["what"] == "VLLM_ASCEND_MODE=1"
    assert "Not mentioned in vllm-ascend 0.18.0rc1" in mode["why"]
    assert "VLLM_ASCEND_MODE" not in run_book.build(_params("ascend")).model_dump_json(include={"commands"})


def test_scan_finds_every_way_to_read_and_set_a_variable(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.py").write_text(
        "import os\n"
        "a = os.environ['READ_BY_INDEX']\nb = os.getenv('READ_BY_GETENV', '1')\nc = os.environ.get('READ_BY_GET')\n"
        "d = 'READ_BY_IN' in os.environ\nos.environ['SET_BY_INDEX'] = '1'\n"
        "os.environ.setdefault('SET_BY_DEFAULT', '1')\nprint('MENTIONED_ONLY')\n"
    )
    (tmp_path / "broken.py").write_text("def (")
    found = variables.scan(tmp_path)
    assert list(found["reads"]) == ["READ_BY_GET", "READ_BY_GETENV", "READ_BY_IN", "READ_BY_INDEX"]
    assert found["sets"] == {"SET_BY_DEFAULT": ["sub/a.py"], "SET_BY_INDEX": ["sub/a.py"]}


@pytest.mark.engine  # beside tests that import vLLM anyway
@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_vllms_own_parser_understands_the_server_command(backend: str) -> None:
    engine.import_vllm(_demo())
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    params = _params(backend)
    argv = launch.serve_argv(params, "eager")
    name = launch.model_name(params)
    given = argv[argv.index(name) + 1 : argv.index("--host")]
    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
    found = AsyncEngineArgs.from_cli_args(parser.parse_args(["--model", name, *given]))
    used = {k: v for k, v in arguments(params, "eager").items() if k not in ("model", "max_logprobs", "logprobs_mode")}
    assert {key: getattr(found, key) for key in used} == used


@pytest.mark.engine
@pytest.mark.slow
def test_the_offline_snippet_runs_as_printed(tmp_path: Path) -> None:
    script = tmp_path / "quickstart.py"
    script.write_text(launch.offline_snippet(_demo(), "eager"))
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stdout.strip()


def test_the_run_book_says_8000_and_a_report_asks_the_system_for_a_port() -> None:
    params = _demo()
    assert launch.serve_argv(params, "eager")[-2:] == ["--port", "8000"]
    assert launch.serve_argv(params, "eager", port=0)[-2:] == ["--port", "0"]
    curl = {command.id: command for command in run_book.build(params).commands}["curl"]
    assert curl.argv is not None and "http://127.0.0.1:8000/v1/completions" in curl.argv


def test_an_ipv6_host_stands_in_brackets_and_a_key_is_a_variable() -> None:
    params = _demo().model_copy(update={"serving": ServingParams(host="::1")})
    assert launch.address(params) == "http://[::1]:8000"
    running = ServingParams(base_url="https://me:secret@node7/v1", api_key_env="A_KEY", ca_file="ca.pem")
    params = _demo().model_copy(update={"serving": running})
    curl = {command.id: command for command in run_book.build(params).commands}["curl"]
    assert '-H "Authorization: Bearer $A_KEY"' in curl.text and "--cacert ca.pem" in curl.text
    assert "secret" not in curl.text and "https://node7/v1/completions" in curl.text


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_engine_core_in_another_process_is_spawned(backend: str) -> None:
    spawn = ("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    other = _params(backend, in_process=False)
    assert spawn in launch.env(other).items() and spawn in launch.env(other, server=False).items()
    if backend != "cpu":  # where vLLM spawns by itself
        assert spawn in launch.env(_params(backend, in_process=True)).items()
    assert f"os.environ['{spawn[0]}'] = 'spawn'" in launch.offline_snippet(other, "eager")
