"""Sets that name several ways of compiling: their modes, their engine arguments, and what is refused."""

from __future__ import annotations

import pytest
from evalpress import params
from evalpress.core.errors import UserError
from evalpress.launch import serve_argv
from evalpress.launch.arguments import arguments

VARIANTS = "{piecewise: {compilation_config: {cudagraph_mode: PIECEWISE}}, full: {compilation_config: {level: 3}}}"


def a_set(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(f"extends: demo\n{text}", encoding="utf-8")
    return params.load(str(path))


def test_variants_are_the_modes_of_every_section_where_the_set_names_none(tmp_path):
    found = a_set(tmp_path, f"engine:\n  variants: {VARIANTS}\n")
    assert found.engine.modes == ("eager", "piecewise", "full")
    assert found.serving.modes == ("piecewise", "full", "eager") and found.serving.mode == "piecewise"
    assert found.evidence.mode == found.quality.mode == "piecewise"


def test_what_a_set_names_stays(tmp_path):
    text = f"engine:\n  modes: [eager, full]\n  variants: {VARIANTS}\nserving: {{modes: [eager]}}\n"
    found = a_set(tmp_path, text)
    assert found.engine.modes == ("eager", "full") and found.serving.modes == ("eager",)
    assert found.evidence.mode == "full"


def test_compiled_may_stand_beside_variants(tmp_path):
    text = f"engine:\n  modes: [eager, compiled, full]\n  variants: {VARIANTS}\n"
    assert a_set(tmp_path, text).evidence.mode == "compiled"


def test_a_set_without_variants_has_the_modes_it_had():
    found = params.load("demo")
    assert found.engine.modes == ("eager", "compiled") and found.serving.modes == ("compiled", "eager")
    assert found.evidence.mode == found.quality.mode == "compiled"


def test_each_variant_has_its_own_compilation_and_keywords(tmp_path):
    text = """
engine:
  compilation_config: {level: 1}
  extra: {enable_chunked_prefill: true}
  modes: [eager, compiled, piecewise, npugraph_ex]
  variants:
    piecewise: {compilation_config: {cudagraph_mode: PIECEWISE}}
    npugraph_ex: {extra: {additional_config: {npugraph_ex_config: {enable: true}}}}
"""
    found = a_set(tmp_path, text)
    given = {mode: arguments(found, mode) for mode in found.engine.modes}
    assert [given[mode]["enforce_eager"] for mode in given] == [True, False, False, False]
    assert "compilation_config" not in given["eager"] and "compilation_config" not in given["npugraph_ex"]
    assert given["compiled"]["compilation_config"] == {"level": 1}
    assert given["piecewise"]["compilation_config"] == {"cudagraph_mode": "PIECEWISE"}
    assert given["npugraph_ex"]["additional_config"] == {"npugraph_ex_config": {"enable": True}}
    assert all(keywords["enable_chunked_prefill"] for keywords in given.values())
    command = serve_argv(found, "piecewise")
    assert command[command.index("--compilation-config") + 1] == '{"cudagraph_mode": "PIECEWISE"}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: {modes: [eager, fast]}", "own.yaml:2: engine.modes: found 'fast' (text), allowed eager, compiled"),
        ("serving: {modes: [full]}", "own.yaml:2: serving.modes: found 'full' (text), allowed eager, compiled"),
        ("evidence:\n  mode: eagre", "own.yaml:3: evidence.mode: found 'eagre' (text), allowed eager, compiled"),
        ("engine:\n  variants: {eager: {}}", "own.yaml:3: engine.variants: found 'eager', allowed up to 24"),
        ("engine:\n  variants: {Full Graph: {}}", "own.yaml:3: engine.variants: found 'Full Graph', allowed up to 24"),
        ("engine:\n  variants:\n    full: {config: {}}", "own.yaml:4: engine.variants.full.config: unknown key"),
        ("engine:\n  variants: [full]", "engine.variants: found"),
    ],
)
def test_what_is_refused_names_file_line_and_key(tmp_path, text, said):
    with pytest.raises(UserError) as told:
        a_set(tmp_path, f"{text}\n")
    assert said in str(told.value) and len(str(told.value).splitlines()) == 1
