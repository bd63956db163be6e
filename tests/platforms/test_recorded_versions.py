"""Recorded sets of versions, and the files from which CANN's release is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evalpress import cli
from evalpress.platforms import ascend, versions

INFO = Path(__file__).resolve().parents[1] / "data" / "ascend" / "cann" / "8.3.RC2_x86_64_ascend_toolkit_install.info"
SETS = {
    "official image v0.18.0rc1": (
        {
            "vllm": "0.18.0+empty", "vllm_ascend": "0.18.0rc1", "torch": "2.9.0+cpu",
            "torch_npu": "2.9.0.post1+gitee7ba04", "triton_ascend": "3.2.0.dev20260322", "cann": "8.5.1",
        },
        {},
    ),
    "image of the branch releases/v0.18.0, rebuilt on CANN 9.0.0": (
        {
            "vllm": "0.18.0+empty", "vllm_ascend": "0.18.0", "torch": "2.9.0+cpu", "torch_npu": "2.9.0.post2",
            "triton_ascend": "3.2.1", "cann": "9.0.0",
        },
        {},
    ),
    "the same without the plugin's version": (
        {"torch_npu": "2.9.0.post2", "triton_ascend": "3.2.1", "cann": "9.0.0"},
        {},
    ),
    "0.23.0 with torch 2.9.0": (
        {"vllm": "0.23.0+empty", "vllm_ascend": "0.23.0", "torch": "2.9.0", "torch_npu": "2.9.0"},
        {"torch": "fail", "torch_npu": "fail"},
    ),
    "0.23.0.post1": (
        {"vllm": "0.23.0", "vllm_ascend": "0.23.0.post1", "torch": "2.10.0", "torch_npu": "2.10.0.post4"},
        {"vllm_ascend": "warn"},
    ),
    "a plugin for another vLLM": ({"vllm": "0.19.1", "vllm_ascend": "0.18.0"}, {"vllm": "fail"}),
    "a candidate that the table does not have": (
        {"vllm": "0.26.0", "vllm_ascend": "0.26.0rc3", "torch": "2.10.0", "torch_npu": "2.10.0.post4"},
        {"vllm_ascend": "warn"},
    ),
    "a CANN of the next minor version": (
        {"vllm_ascend": "0.18.0", "torch": "2.9.0", "cann": "9.1.0"},
        {"cann": "fail"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_a_recorded_set_gets_its_verdict(name: str, capsys) -> None:
    installed, expected = SETS[name]
    rows = versions.check(installed, "ascend", lambda _: (), complete=False)
    assert {row.component: row.status for row in rows} == {key: expected.get(key, "ok") for key in installed}
    given = [f"{key}={value}" for key, value in installed.items()]
    assert cli.main(["check-versions", "--backend", "ascend", *given, "--json"]) == ("fail" in expected.values())
    assert {row["component"]: row["status"] for row in json.loads(capsys.readouterr().out)} == {
        row.component: row.status for row in rows
    }


def test_cann_is_read_from_the_toolkits_own_file(tmp_path: Path, monkeypatch) -> None:
    text = INFO.read_text(encoding="utf-8")
    assert ascend.parse_cann(text) == "8.3.RC2"
    old = tmp_path / "latest" / "x86_64-linux"
    old.mkdir(parents=True)
    (old / INFO.name.split("_", 3)[-1]).write_text(text, encoding="utf-8")
    assert ascend.cann_version([tmp_path / "latest"]) == "8.3.RC2"
    # CANN 8.5: the images set both variables to /usr/local/Ascend/cann-8.5.1, whose folder names the architecture.
    new = tmp_path / "cann-8.5.1" / "aarch64-linux"
    new.mkdir(parents=True)
    (new / "ascend_toolkit_install.info").write_text(text.replace("8.3.RC2", "8.5.1"), encoding="utf-8")
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(tmp_path / "cann-8.5.1"))
    assert ascend.cann_version() == "8.5.1"
    monkeypatch.delenv("ASCEND_TOOLKIT_HOME")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path / "cann-8.5.1"))
    assert ascend.cann_version() == "8.5.1"
