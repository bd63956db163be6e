"""Prompts through a chat template: the demo model's tokenizer with a template of its own makes an instruct model."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
from evalpress import engine, params
from evalpress.core.errors import MeasurementError
from evalpress.core.paths import ROOT
from evalpress.core.results import Document
from evalpress.model import chat
from evalpress.sections.evidence import tables as show
from evalpress.sections.evidence.remarks import base_note, remarks
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.job import Job
from evalpress.sections.quality import tables as show_quality
from evalpress.sections.registry import by_name
from quality_samples import document

TEMPLATE = (
    "{% for m in messages %}<|endoftext|>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


@pytest.fixture
def instruct(tmp_path):
    """The demo set with a copy of its model that has a chat template."""
    folder = tmp_path / "instruct"
    shutil.copytree(ROOT / "models" / "demo", folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": TEMPLATE}))
    return with_model(path=str(folder), base_model=None)


def with_model(**changes):
    demo = params.load("demo")
    return demo.model_copy(update={"model": demo.model.model_copy(update=changes)})


@pytest.mark.slow
def test_an_instruct_model_is_recognised_and_asked_through_its_template(instruct):
    described = chat.describe(instruct)
    assert (described.base_model, described.base_model_how) == (False, "the model has a chat template")
    assert described.chat_template.sha256 == hashlib.sha256(TEMPLATE.encode()).hexdigest()
    formatter = chat.formatter(instruct)
    asked = formatter.render("Who?")
    assert asked.text == "<|endoftext|>user: Who?\nassistant:"
    assert asked.token_ids[0] == 0
    assert asked.token_ids.count(0) == 1
    assert formatter.tokenizer.decode(asked.token_ids) == asked.text


@pytest.mark.slow
def test_a_base_model_is_asked_the_prompt_as_it_stands(instruct):
    stated = instruct.model_copy(update={"model": instruct.model.model_copy(update={"base_model": True})})
    for one, how in ((stated, "stated by the set"), (with_model(base_model=None), "the model has no chat template")):
        described = chat.describe(one)
        assert described.base_model
        assert how in described.base_model_how
        assert described.chat_template is None
        assert chat.formatter(one).render("Who?").text == "Who?"


def test_an_instruct_model_without_a_template_is_refused_in_one_line():
    with pytest.raises(MeasurementError, match="model.base_model: found false, but the model has no chat template"):
        chat.describe(with_model(base_model=False))


@pytest.mark.parametrize(
    ("output", "finish", "words"),
    [
        ("______.\nA", "length", ["blank", "choices", "runs on"]),
        ("called the ____.\nA", "stop", ["blank", "choices"]),
        ("（ ）。", "stop", ["blank"]),
        ("\nA. Mars\nB. Jupiter", "stop", ["choices"]),
        (" Paris. What is", "length", ["runs on"]),
        (" Paris.", "stop", []),
        (" snake_case is a word. A dog.", "stop", []),
    ],
)
def test_habits_of_a_base_model_are_remarked(output, finish, words):
    found = remarks(output, finish, base=True)
    assert len(found) == len(words)
    assert all(word in remark for word, remark in zip(words, found, strict=True))
    assert remarks(output, finish, base=False) == []


def test_the_note_names_the_instruct_model_of_a_base_model_only():
    assert "use Model-Instruct" in base_note(True, "Model-Instruct")
    assert base_note(False, "Model-Instruct") == ""


@pytest.mark.engine
@pytest.mark.slow
def test_evidence_and_quality_of_an_instruct_model_go_through_the_template(instruct, tmp_path):
    from evalpress.sections.evidence import section
    from evalpress.sections.quality import section as quality

    eager = instruct.model_copy(
        update={
            "engine": instruct.engine.model_copy(update={"modes": ("eager",)}),
            "evidence": instruct.evidence.model_copy(
                update={"mode": "eager", "max_tokens": 8, "check_tokens": 40, "repeats": 2}
            ),
            "quality": instruct.quality.model_copy(
                update={"mode": "eager", "cases": ("params/quality/knowledge.yaml",)}
            ),
        }
    )
    try:
        found = section.measure(Job(by_name("evidence"), eager, tmp_path, "always"))
        judged = quality.measure(Job(by_name("quality"), eager, tmp_path, "always"))
    finally:
        engine.release()
    for case in (*found.cases, *judged.cases):
        assert case.rendered_prompt == f"<|endoftext|>user: {case.prompt}\nassistant:"
    if judged.standard_tasks:
        kept = json.loads((tmp_path / "results" / "raw" / "quality-lm_eval.json").read_text())
        context, _ = kept["result"]["samples"]["evalpress_facts"][0]["arguments"][0]
        assert context == "<|endoftext|>user: The capital of Japan is\nassistant:"
    digest = found.chat_template.sha256
    assert judged.chat_template.sha256 == digest
    head = {"schema": "evalpress/evidence/2", "created": "", "provenance": {}, "params": {}}
    shown = show.note(Document[Evidence].model_validate(head | {"data": found})).source
    assert digest in shown
    assert "assistant" in shown
    assert digest[:12] in show_quality.cases(document(judged)).html()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ raise_exception('System role not supported') }}", "chat template: TemplateError: System role not"),
        ("{% for m in messages %}{{ m['content'] }", "chat template: TemplateSyntaxError"),
        ("{{ messages[0]['content']['text'] | upper }}{{ nothing.there }}", "chat template: "),
        ("a fixed text", "chat template: the rendered prompt does not hold the user's text"),
        ([{"name": "tool_use", "template": "{{ messages }}"}], "chat template: ValueError"),
    ],
)
def test_a_broken_template_is_one_line_with_the_folder(instruct, template, message):
    path = ROOT / instruct.model.path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    with pytest.raises(MeasurementError, match=f"instruct: {message}") as error:
        chat.formatter(instruct)
    assert "\n" not in str(error.value)
