"""Parameters: YAML 1.2 scalars, layering, and one clear line for every kind of mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from evalpress import params
from evalpress.core.errors import UserError
from evalpress.core.yaml12 import load_yaml

GOOD = "title: t\nmodel: {path: m}\nplatform: {backend: cpu}\nevidence: {prompts: []}\nalignment: {prompts: []}\nquality: {cases: []}\n"  # noqa: E501


def write(folder: Path, text: str, name: str = "set.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        params.load(write(folder, text))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("on", "on"),
        ("yes", "yes"),
        ("0123", 123),
        ("12:30", "12:30"),
        ("true", True),
        ("~", None),
        ("-2.5", -2.5),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path, text, value):
    data, marks = load_yaml(Path(write(tmp_path, f"# comment\na: {text}\n")))
    assert data == {"a": value}
    assert type(data["a"]) is type(value)
    assert marks[("a",)] == 2


def test_every_shipped_set_loads():
    sets = params.available_sets()
    assert {"demo", "qwen2-0.5b-cpu", "qwen2-0.5b-cuda", "qwen2-0.5b-ascend910", "qwen2-0.5b-shape"} <= set(sets)
    for name in sets:
        assert params.load(name).set == name


def test_a_set_extends_another_key_by_key(tmp_path):
    write(tmp_path, GOOD + "engine: {seed: 7, dtype: float32}\n", "base.yaml")
    found = params.load(write(tmp_path, "extends: base\nengine: {dtype: bfloat16}\n"))
    assert (found.engine.seed, found.engine.dtype, found.title) == (7, "bfloat16", "t")


def test_a_workload_of_the_extended_set_can_be_left_out(tmp_path):
    load = "{num_prompts: 1, input_len: 8, output_len: 8}"
    write(tmp_path, GOOD + f"benchmark: {{workloads: {{one: {load}, two: {load}}}}}\n", "base.yaml")
    found = params.load(write(tmp_path, "extends: base\nbenchmark: {workloads: {two: null}}\n"))
    assert list(found.benchmark.workloads) == ["one"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("engin: {}\n", ["set.yaml:7", "engin", "unknown key", "did you mean 'engine'"]),
        ("engine: {sed: 1}\n", ["set.yaml:7", "engine.sed", "did you mean 'seed'"]),
        ("engine: {seed: '1'}\n", ["engine.seed", "found '1' (text)", "allowed a whole number"]),
        (
            "model: {path: m, trust_remote_code: on}\n",
            ["model.trust_remote_code", "found 'on' (text)", "allowed true or false"],
        ),
        (
            "gates: {kl_divergence_max: '1e-5'}\n",
            ["gates.kl_divergence_max", "found '1e-5' (text)", "allowed a number"],
        ),
        ("engine: {gpu_memory_utilization: 1.5}\n", ["found 1.5", "at most 1"]),
        ("engine: {modes: [eager, eager]}\n", ["engine", "at most once"]),
        (
            "benchmark: {workloads: {big: {num_prompts: 1, input_len: 2048, output_len: 1}}}\n",
            ["benchmark.workloads.big", "2049", "2048"],
        ),
        ("skip: {evidnce: why}\n", ["skip.evidnce", "did you mean 'evidence'"]),
        ("claims: [params/claims/none.yaml]\n", ["set.yaml:7", "claims.0", "'params/claims/none.yaml' not found"]),
        ("run: 3\n", ["run", "found 3 (whole number)", "a mapping"]),
    ],
)
def test_a_mistake_is_one_line_with_place_found_and_allowed(tmp_path, text, parts):
    body = "".join(line for line in GOOD.splitlines(True) if line.split(":")[0] != text.split(":")[0])
    message = refusal(tmp_path, body + ("" if len(body.splitlines()) == 6 else "\n") + text)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_every_mistake_is_told_at_once(tmp_path):
    assert len(refusal(tmp_path, GOOD + "engin: 1\nrun: {timeout: 2}\n").splitlines()) == 2


def test_a_missing_key_and_a_duplicate_key(tmp_path):
    assert "model.path: missing" in refusal(tmp_path, GOOD.replace("{path: m}", "{}"))
    assert "key 'title' occurs twice" in refusal(tmp_path, "title: a\ntitle: b\n")


def test_a_misspelt_set_name_is_answered_with_the_right_one():
    with pytest.raises(UserError, match="did you mean 'demo'"):
        params.load("demmo")


def test_a_set_that_extends_itself_is_refused(tmp_path):
    assert "extends itself" in refusal(tmp_path, "extends: set\n")


def test_files_beside_a_params_file_outside_the_project_are_found_and_those_of_the_project_too(tmp_path):
    for name in ("mine/cases.yaml", "mine/texts.yaml", "prompts.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]")
    stated = (
        "quality: {cases: [params/quality/card.yaml, mine/cases.yaml]}\n"
        "evidence: {prompts: [prompts.yaml]}\nalignment: {prompts: [./mine/texts.yaml]}\n"
    )
    head = "title: t\nmodel: {path: m}\nplatform: {backend: cpu}\n"
    found = params.load(write(tmp_path, head + stated))
    assert found.quality.cases == ("params/quality/card.yaml", str(tmp_path / "mine/cases.yaml"))
    assert found.evidence.prompts == (str(tmp_path / "prompts.yaml"),)
    assert found.alignment.prompts == (str(tmp_path / "mine/texts.yaml"),)
    with pytest.raises(UserError, match=r"quality\.cases\.0: file 'nowhere\.yaml' not found"):
        params.load(write(tmp_path, head + "quality: {cases: [nowhere.yaml]}\n"))
