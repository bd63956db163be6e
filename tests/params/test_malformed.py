"""Malformed params files are refused in one line per mistake; YAML is read as its version 1.2 and JSON say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from evalpress import model, params
from evalpress.core import yaml12
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.core.yaml12 import parse_yaml
from evalpress.params import prompts
from evalpress.sections.quality.cases import load_cases
from evalpress.sections.quality.checkers import build

sys.path.append(str(ROOT / "benchmarks"))
import malformed_params

GOOD = "title: t\nmodel: {path: m}\nplatform: {backend: cpu}\nevidence: {prompts: []}\nalignment: {prompts: []}\nquality: {cases: []}\n"  # noqa: E501


def test_mutations_of_the_shipped_sets(tmp_path: Path) -> None:
    found = malformed_params.run(60, 1, tmp_path)
    assert set(found) <= {"accepted", "refused"}
    assert found["refused"] == 60


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"a\u00e9\/b"', "aé/b"),
        ("0x1F", 31),
        ("0o17", 15),
        ("0123", 123),
        ("[1, 1e-5, on]", [1, 1e-5, "on"]),
    ],
)
def test_values(text: str, value: object) -> None:
    found, _ = parse_yaml(f"a: {text}\n", "x.yaml")
    assert found == {"a": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a: 1\nb: "\\ud83d"\n', r"x.yaml:2: half of a surrogate pair"),
        ('"\\ude00": 1\n', r"x.yaml:1: half of a surrogate pair"),
        ("a: &x [*x]\n", "x.yaml"),
        ("a: " + "[" * 200 + "]" * 200, "x.yaml"),
        ("? [a]\n: b\n", "x.yaml:1: a key is a list or a mapping"),
        ("a: " + "9" * 5000, "x.yaml:1: a whole number of 5000 digits"),
        ("a: !!python/object:os.system x\n", "x.yaml:1: not valid YAML"),
        ("a: b\0c\n", "x.yaml: not valid YAML"),
        (
            "\n".join(["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]),
            "values",
        ),
    ],
)
def test_what_no_file_may_hold(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        parse_yaml(text, "x.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("opening", ["a: " + "[" * 5_000, "- " * 5_000, "a: " + "[" * 61 + "]" * 61])
def test_deep_nesting_is_refused_by_both_parsers(opening: str) -> None:
    with pytest.raises(UserError, match=r"x.yaml.*(nested|flow)"):
        parse_yaml(opening, "x.yaml")


def test_both_parsers_read_the_shipped_files_alike() -> None:
    paths = sorted(ROOT.glob("params/**/*.yaml"))
    for path in [path for path in paths if path.stat().st_size < 8_000]:
        text = path.read_text(encoding="utf-8")
        read = [yaml12._read(loader(text)) for loader in (yaml12._Loader, yaml12._FastLoader)]
        assert read[0] == read[1], path
    assert issubclass(yaml12._FastLoader, yaml.CSafeLoader)


def _write(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('engine: {env: {"A=B": c}}', r"engine.env: found 'A=B', allowed letters, digits and underscores"),
        ('engine: {env: {"": c}}', r"engine.env: found '', allowed letters"),
        ('engine: {env: {A: "x\\0"}}', r"engine.env: A: found a NUL character"),
        ("engine: {extra: {model: other}}", r"engine.extra: found 'model', .*: set model.path"),
        ("engine: {extra: {dtype: float32}}", r"engine.extra: found 'dtype', .*: set engine.dtype"),
        ("engine: {variants: {a: {extra: {seed: 1}}}}", r"engine.variants.a.extra: found 'seed'"),
        ("engine: {extra: {max_logprobs: 5}}", r"engine.extra: found 'max_logprobs', which the report sets itself"),
        ("engine: {seed: -1}", r"engine.seed: found -1 .*allowed at least 0"),
        ("engine: {seed: 99999999999}", r"engine.seed: found 99999999999 .*allowed less than 4294967296"),
        ('serving: {host: ""}', r"serving.host: found '' .*allowed text that is not empty"),
        (
            'serving: {base_url: "http://h h:80"}',
            r"serving: base_url: found .http://h h:80', allowed an address without blanks",
        ),
        ('serving: {base_url: "http://h\\0:80"}', r"serving: base_url: found .*allowed an address without blanks"),
        ('skip: {setup: ""}', r"skip.setup: found '' .*allowed text that is not empty"),
    ],
)
def test_what_no_run_could_use(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"^.*x\.yaml:7: {message}") as error:
        params.load(str(_write(tmp_path, f"{GOOD}{text}\n", "x.yaml")))
    assert "\n" not in str(error.value) and str(error.value).isprintable()


def test_a_home_folder_that_nobody_has(tmp_path: Path) -> None:
    text = GOOD.replace("path: m", "path: ~no-such-user/m")
    with pytest.raises(UserError, match="model.path: '~no-such-user/m' not found"):
        model.resolve(params.load(str(_write(tmp_path, text, "x.yaml"))))


@pytest.mark.parametrize("name", ["评测.yaml", "my set.yaml", "naïve.yml", "a.b-c_d.yaml"])
def test_names_in_any_script(name: str, tmp_path: Path) -> None:
    assert params.load(str(_write(tmp_path, GOOD, name))).set == Path(name).stem


@pytest.mark.parametrize("name", ["..", "Qwen/Qwen2-0.5B", "", "published", "a\\b", ".hidden", '"a\\nb"', "x" * 200])
def test_a_set_that_no_folder_can_be_named_after(name: str, tmp_path: Path) -> None:
    text = f"set: {name or chr(34) * 2}\n" + GOOD
    with pytest.raises(UserError, match=r"x\.yaml:1: set: found .*allowed") as error:
        params.load(str(_write(tmp_path, text, "x.yaml")))
    assert "\n" not in str(error.value)


def test_a_file_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "extends: base\ntitle: outside\n", "a.yaml")
    monkeypatch.chdir(tmp_path)
    found = params.load("./a.yaml")
    assert (found.title, found.set) == ("outside", "a")
    with pytest.raises(UserError, match=rf"set './b.yaml': no such params file in {tmp_path} and .*; available"):
        params.load("./b.yaml")
    _write(tmp_path, "extends: nowhere\n", "c.yaml")
    with pytest.raises(UserError, match=r"^c.yaml:1: extends: 'nowhere' found neither beside the file nor in params/"):
        params.load("c.yaml")


def test_overrides_are_checked_as_the_file_is(tmp_path: Path) -> None:
    path = str(_write(tmp_path, GOOD, "x.yaml"))
    given = params.parse_overrides(["engine.max_num_seqs=32", "serving.concurrency=[1, 4]", "engine.kv_cache_gib=null"])
    found = params.load(path, given)
    assert (found.engine.max_num_seqs, found.serving.concurrency) == (32, (1, 4))
    assert found.overrides == given
    for text, message in (
        ("engine.max_num_seqs=many", r"^--param engine.max_num_seqs: engine.max_num_seqs: found 'many' \(text\)"),
        ("engine.sed=1", r"^--param engine.sed: engine.sed: unknown key; did you mean 'seed'"),
        ("engine", "allowed key=value"),
        ("engine.modes=[eager", "--param engine.modes.*not valid YAML"),
    ):
        with pytest.raises(UserError, match=message):
            params.load(path, params.parse_overrides([text]))


def test_where_a_parameter_was_stated(tmp_path: Path) -> None:
    found = params.load(str(_write(tmp_path, GOOD, "x.yaml")))
    assert found.where("model.path").endswith("x.yaml:2: model.path")
    assert params.load("demo").where("engine.dtype") == "params/base.yaml:8: engine.dtype"


CASES = """\
cases:
  - id: e
    category: creative
    language: en
    prompt: "Say {}"
    checker: {{contains: ["{}"]}}
"""


def test_escapes_of_prompts_and_cases_are_jsons(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text('- id: e\n  text: "Translate \\ud83d\\ude00"\n')
    assert prompts.load([str(path)])[0].text == "Translate \U0001f600"
    path.write_text(CASES.format("\\ud83d\\ude00", "\\ud83d\\ude00"))
    case = load_cases([str(path)])[0]
    assert case.prompt == "Say \U0001f600"
    assert build(case.checker).judge("\U0001f600!").verdict == "pass"
    assert build(case.checker).judge("?").verdict == "fail"


@pytest.mark.parametrize(
    ("text", "read", "line"),
    [
        ('- id: e\n  text: "Translate \\ud83d"\n', lambda path: prompts.load([path]), 2),
        (CASES.format("\\ude00", "x"), lambda path: load_cases([path]), 5),
        (CASES.format("x", "\\ud83d"), lambda path: load_cases([path]), 6),
        ('title: t\nmodel: {path: m}\nset: "\\ud83d"\n', params.load, 3),
    ],
)
def test_half_a_character_is_refused_with_file_and_line(tmp_path: Path, text: str, read: Any, line: int) -> None:
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"file.yaml:{line}: half of a surrogate pair"):
        read(str(tmp_path / "file.yaml"))
