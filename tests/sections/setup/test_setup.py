"""The Setup section as a whole: every table present, valid as a results file, no path of this machine in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from evalpress import params
from evalpress.core import results
from evalpress.core.errors import UserError
from evalpress.core.paths import ROOT
from evalpress.params.schema import EngineParams, ModelParams, Params, PlatformParams
from evalpress.sections.job import Job, read_results
from evalpress.sections.registry import by_name
from evalpress.sections.setup import section, tables
from evalpress.sections.setup.results import Results


def _measure(folder: Path, monkeypatch: pytest.MonkeyPatch, supported: list[str]) -> Results:
    monkeypatch.setattr("evalpress.engine.supported_architectures", lambda params: supported)
    params = Params(
        set="x",
        title="x",
        model=ModelParams(path="models/qwen2-0.5b-shape", weights="random"),
        platform=PlatformParams(backend="cpu"),
        engine=EngineParams(max_model_len=512),
    )
    return section.measure(Job(by_name("setup"), params, folder, "always"))


def test_the_section_is_whole_and_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _measure(tmp_path, monkeypatch, ["Qwen2ForCausalLM"])
    results.write(tmp_path / "setup.json", "setup", data, {}, {})
    stored = read_results(tmp_path / "setup.json", "setup").data
    assert isinstance(stored, Results)
    assert stored == data
    assert stored.model.parameters == 494_032_768
    assert stored.adaptation.status == "none"
    assert stored.environment.versions.vllm
    assert {row.status for row in stored.version_check} == {"ok"}
    assert [command.id for command in stored.runbook.commands][:2] == ["offline", "serve"]
    assert [item.id for item in stored.not_run] == ["two_devices"]
    assert str(ROOT) not in json.dumps(stored.model_dump(mode="json"))


def test_the_published_report_is_read_and_every_table_drawn_from_it() -> None:
    document = read_results(ROOT / "tests" / "data" / "report-0.1.0" / "results" / "setup.json", "setup")
    assert isinstance(document.data, Results)
    for name in ("model", "adaptation", "environment", "variables", "versions", "settings"):
        assert getattr(tables, name)(document).rows
    assert "of this report" in tables.runbook(document).source
    assert "left out" not in tables.runbook(document).source
    skipping = params.load("demo").model_copy(update={"skip": {"serving": "busy"}})
    told = tables.runbook(document, skipping).source
    assert told.count("Not shown in this report: the section serving is left out") == 3
    assert "Run by the serving" not in told and "benchmark section of this report" in told
    assert not [row for row in tables.environment(document).rows if row[0] in ("CANN", "vLLM-Ascend", "torch-npu")]


def test_an_edited_file_is_one_line_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results.write(tmp_path / "setup.json", "setup", _measure(tmp_path, monkeypatch, []), {}, {})
    text = (tmp_path / "setup.json").read_text()
    (tmp_path / "setup.json").write_text(re.sub(r'"cpu_cores_usable": \d+', '"cpu_cores_usable": "many"', text))
    with pytest.raises(UserError, match=r"setup\.json: data\.environment\.host\.cpu_cores_usable: found 'many'"):
        read_results(tmp_path / "setup.json", "setup")


def test_an_architecture_that_vllm_lacks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _measure(tmp_path, monkeypatch, ["LlamaForCausalLM"]).adaptation
    assert (found.status, found.registered) == ("unsupported", False)
