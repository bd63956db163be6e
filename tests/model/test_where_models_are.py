"""Where a model comes from: a folder, a hub, or ModelScope where no other hub answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from evalpress import model
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.params.schema import EngineParams, ModelParams, Params, PlatformParams

SHAPE = ROOT / "models" / "qwen2-0.5b-shape"


def _params(path: str | Path, **changes: Any) -> Params:
    return Params(
        set="x",
        title="x",
        model=ModelParams(path=str(path), **changes),
        platform=PlatformParams(backend="cpu"),
        engine=EngineParams(dtype="bfloat16"),
    )


def test_where_a_model_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model.resolve(_params("models/qwen2-0.5b-shape")) == SHAPE
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"^params/x.yaml: model.path: folder .* has no config.json \("):
        model.resolve(_params(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"^params/x.yaml: model.path: folder .* not found \("):
        model.resolve(_params(tmp_path / "absent", source="folder"))


def test_a_model_that_is_nowhere_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as error:
        model.resolve(_params("nobody/no-such-model"))
    message = str(error.value)
    assert message.startswith("params/x.yaml: model.path: 'nobody/no-such-model' not found: neither a folder nor")
    assert "huggingface: " in message
    assert "\n" not in message
    with pytest.raises(UserError, match="huggingface: not the form of a name there"):
        model.resolve(_params("a/b/c/d", source="huggingface"))
    with pytest.raises(UserError, match="modelscope: package modelscope not installed"):
        model.resolve(_params("nobody/no-such-model", source="modelscope"))


MODELSCOPE = """
import os
def snapshot_download(model_id, revision=None, local_files_only=False):
    if os.environ.get("PRETENDED_CACHE") is None and local_files_only:
        raise ValueError("Cannot find the requested files in the cached path")
    if model_id == "Qwen/absent":
        raise RuntimeError("The request model does not exist")
    return os.environ["PRETENDED_FOLDER"]
"""


@pytest.fixture
def modelscope(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A module in place of the package that the vllm-ascend images have, and no other hub."""
    (tmp_path / "modelscope.py").write_text(MODELSCOPE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "modelscope", raising=False)
    monkeypatch.setenv("PRETENDED_FOLDER", str(SHAPE))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def test_modelscope_is_asked_where_the_image_has_it_and_no_hub_answers(modelscope, monkeypatch) -> None:
    params = _params("Qwen/Qwen2-0.5B-of-this-test")
    assert not model.is_from_modelscope(params)  # not there yet: nothing was fetched
    assert model.resolve(params) == SHAPE
    monkeypatch.setenv("PRETENDED_CACHE", "1")
    assert model.is_from_modelscope(params)
    assert not model.is_from_modelscope(_params("models/qwen2-0.5b-shape"))
    assert not model.is_from_modelscope(_params("Qwen/Qwen2-0.5B-of-this-test", source="huggingface"))
    with pytest.raises(UserError, match=r"huggingface: .*; modelscope: The request model does not exist\)"):
        model.resolve(_params("Qwen/absent"))


def test_hugging_face_comes_first(modelscope, monkeypatch) -> None:
    monkeypatch.setenv("PRETENDED_CACHE", "1")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **how: str(modelscope))
    assert model.resolve(_params("Qwen/another-of-this-test")) == modelscope
    assert not model.is_from_modelscope(_params("Qwen/another-of-this-test"))


def test_a_hub_is_asked_for_no_more_than_the_set_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def download(name: str, **how: Any) -> str:
        asked.append({"name": name, **how})
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert model.resolve(_params("org/plain", revision="abc")) == tmp_path
    model.resolve(_params("org/shape", weights="random"))
    model.resolve(_params("org/code", trust_remote_code=True))
    plain, shape, code = asked
    assert (plain["name"], plain["revision"]) == ("org/plain", "abc")
    assert "*.safetensors" in plain["allow_patterns"]
    assert "*.py" not in plain["allow_patterns"]
    assert "*.safetensors" not in shape["allow_patterns"]
    assert "*.py" in code["allow_patterns"]
