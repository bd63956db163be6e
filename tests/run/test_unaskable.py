"""A broken chat template is reported before anything is measured; sections that need no template are still measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from evalpress import model, params
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.model import chat
from evalpress.params import Params
from synthetic import Project

BROKEN = "{{ raise_exception('no user turns') }}"


def instruct(folder: Path, template: Any = None, files: dict[str, str] | None = None) -> Params:
    """The demo set with a copy of its tokenizer that states `template`, and further files."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "models" / "demo" / name, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | ({"chat_template": template} if template else {})))
    for name, text in (files or {}).items():
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    demo = params.load("demo")
    return demo.model_copy(update={"model": demo.model.model_copy(update={"path": str(folder), "base_model": None})})


def test_a_base_model_has_no_template_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "Isolated", lambda *_: pytest.fail("no process is needed"))
    assert chat.problem(instruct(tmp_path / "base")) is None


def test_named_templates_without_a_default_are_no_base_model(tmp_path: Path) -> None:
    found = instruct(tmp_path / "named", files={"additional_chat_templates/rag.jinja": "{{ messages }}"})
    assert model.base_model(found) == (False, "the model has a chat template")


@pytest.mark.parametrize(("text", "why"), [("{", "not readable"), ("[]", "found list, allowed a JSON object")])
def test_a_file_of_templates_that_is_no_json_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    found = instruct(tmp_path / "cut", files={"chat_template.json": text})
    with pytest.raises(UserError, match=rf"chat_template\.json: {why}") as error:
        model.base_model(found)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "files", "why"),
    [
        (BROKEN, {}, "chat template: TemplateError: no user turns"),
        ("{% for m in messages %}{{ m", {}, "chat template: TemplateSyntaxError"),
        ([{"name": "rag", "template": "{{ messages }}"}], {}, "chat template: ValueError"),
        (None, {"additional_chat_templates/rag.jinja": "{{ messages }}"}, "chat template: ValueError"),
        ("{{ messages[0]['content'] }}", {}, None),
    ],
)
def test_a_template_is_tried_in_a_process_of_its_own(
    tmp_path: Path, template: Any, files: dict[str, str], why: str | None
) -> None:
    found = chat.problem(instruct(tmp_path / "odd", template, files))
    if why is None:
        assert found is None
    else:
        assert found is not None and f"odd: {why}" in found and "\n" not in found


@pytest.mark.slow
def test_a_broken_template_is_told_first_and_serving_goes_on(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    path = project.root / "model" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": BROKEN}))
    done = project.run("report")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "evalpress: model: chat template: TemplateError: no user turns; not measured: quality, evidence"
    )
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    measured = (project.report / "measured.txt").read_text().split()
    assert measured == ["setup", "benchmark", "alignment", "serving"]
    states = project.json("results/status.json")["sections"]
    assert {name for name, state in states.items() if state["status"] == "failed"} == {"quality", "evidence"}
    assert "no user turns" in states["quality"]["why"]
