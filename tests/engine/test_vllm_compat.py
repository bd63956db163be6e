"""Every change of vLLM: bounded by version, undone after its block, left out where its place is gone."""

from __future__ import annotations

import gc
import importlib.metadata
import sys
import types

import pytest
from evalpress import params
from evalpress.engine import start, vllm_compat
from evalpress.engine.vllm_compat import PATCHES, Patch

FAKE = Patch("fake", "json", "dumps", since="0.18.0rc0", below="0.33", why="a test")


@pytest.mark.parametrize(
    ("version", "applies"),
    [("0.17.9", False), ("0.18.0rc1", True), ("0.32.0", True), ("0.33.0", False), ("dev", False), ("0", False)],
)
def test_a_patch_holds_for_versions_that_were_read(version, applies):
    assert FAKE.applies(version) is applies


def test_a_place_is_replaced_and_put_back(monkeypatch):
    import json

    monkeypatch.setattr(vllm_compat, "installed_version", lambda: "0.32.0")
    before = json.dumps
    with pytest.raises(RuntimeError), FAKE.replaced("other") as done:
        assert done
        assert json.dumps == "other"
        raise RuntimeError
    assert json.dumps is before
    monkeypatch.setattr(vllm_compat, "installed_version", lambda: "0.99.0")
    with FAKE.replaced("other") as done:
        assert not done
        assert json.dumps is before


def test_a_place_that_is_gone_is_left_out(monkeypatch):
    monkeypatch.setattr(vllm_compat, "installed_version", lambda: "0.32.0")
    for module, attribute in (("json", "no_such_name"), ("no_such_module_here", "x")):
        with Patch("gone", module, attribute, "0.18", "0.33", "a test").replaced(1) as done:
            assert not done


def test_every_patch_says_why_and_has_a_name_of_its_own_place():
    assert len({(patch.module, patch.attribute) for patch in PATCHES}) == len(PATCHES)
    assert all(len(patch.why) > 20 for patch in PATCHES)


@pytest.mark.slow
def test_the_installed_vllm_has_every_place_that_its_version_should_have():
    start.import_vllm(params.load("demo"))  # first: without it vLLM takes kernels that not every processor can run
    with vllm_compat.a_distribution_called_vllm():
        missing = [patch.name for patch in PATCHES if patch.applies() and patch.find() is None]
    assert missing == []


def test_a_second_engine_makes_its_own_rotary_embedding(monkeypatch):
    rotary = types.SimpleNamespace(_ROPE_DICT={("a key",): "the first engine's"})
    monkeypatch.setitem(sys.modules, vllm_compat.ROTARY_EMBEDDINGS.module, rotary)
    vllm_compat.forget_rotary_embeddings()
    assert rotary._ROPE_DICT == {}


def test_a_distribution_called_vllm_is_there_for_the_length_of_a_block(monkeypatch):
    monkeypatch.setattr(vllm_compat, "installed_version", lambda: "0.32.0")
    with vllm_compat.a_distribution_called_vllm():
        assert importlib.metadata.version("vllm")
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version("no-such-distribution-here")


@pytest.mark.slow
def test_ending_one_engine_keeps_what_others_share(monkeypatch):
    import vllm.v1.engine.core as vllm_core

    with vllm_compat.other_engines_kept():
        before = gc.get_freeze_count()
        gc.freeze()
        vllm_core.gc.unfreeze()
        assert gc.get_freeze_count() >= before > -1
        assert vllm_core.gc.collect is gc.collect
    assert vllm_core.gc is gc


def test_a_reason_names_the_variable_that_hides_lines_of_other_processes():
    figures = {"load_weights_s": None, "load_weights_s_why": "this vLLM printed no such figure on this platform"}
    figures |= {"compile_s_why": "eager mode neither compiles nor captures"}
    named = start.hidden_lines_named(figures, {"VLLM_LOGGING_LEVEL": "error"})
    assert "VLLM_LOGGING_LEVEL=error hides lines" in named["load_weights_s_why"]
    assert named["compile_s_why"] == figures["compile_s_why"]
    other = start.hidden_lines_named(figures, {"VLLM_CONFIGURE_LOGGING": "0"})
    assert "VLLM_CONFIGURE_LOGGING=0" in other["load_weights_s_why"]
    assert start.hidden_lines_named(figures, {"VLLM_LOGGING_LEVEL": "INFO"}) == figures
