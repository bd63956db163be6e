"""The verb doctor: one line or JSON object per check, exit status 1 where something needed is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from evalpress import cli

TABLES = Path(__file__).resolve().parents[1] / "data" / "ascend" / "npu-smi"


@pytest.fixture(autouse=True)
def no_sandbox(monkeypatch):
    """Probing sandboxes takes seconds and is tested elsewhere."""
    monkeypatch.setattr("evalpress.sections.quality.sandbox.describe", lambda: {"kind": None, "kind_why": "not here"})


def checks(capsys, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    status = cli.main(["doctor", *arguments, "--json"])
    return status, {row["check"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_check_has_a_status_and_a_remedy_where_it_does_not_pass(capsys):
    status, found = checks(capsys, "--backend", "cpu")
    assert {"python", "C++ compiler", "free memory", "free disk", "sandbox", "version torch"} <= set(found)
    for row in found.values():
        assert (row["status"] == "ok") == (row["remedy"] == "")
    assert (status == 1) == any(row["status"] == "fail" for row in found.values())
    assert found["sandbox"]["status"] == "warn"


def test_a_device_that_another_container_holds_is_quoted_with_its_remedy(capsys, tmp_path, monkeypatch):
    tool = tmp_path / "npu-smi"
    tool.write_text(f"#!/bin/sh\ncat '{TABLES / 'container_8020_device_used.txt'}'\nexit 255\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    status, found = checks(capsys, "--backend", "ascend")
    assert status == 1
    assert found["device"]["found"].endswith("ret is -8020")
    assert "another container" in found["device"]["remedy"]


def test_a_missing_compiler_fails_and_names_the_package(capsys, monkeypatch):
    monkeypatch.setattr("evalpress.platforms.host.compiler", lambda: None)
    status, found = checks(capsys, "--backend", "cpu")
    assert (status, found["C++ compiler"]["status"]) == (1, "fail")
    assert "g++" in found["C++ compiler"]["remedy"]


def test_text_is_one_line_per_check(capsys):
    cli.main(["doctor", "--backend", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in ("ok", "warn", "FAIL") for line in lines)


def test_an_unknown_backend_is_one_line_and_2(capsys):
    assert cli.main(["doctor", "--backend", "tpu"]) == 2
    assert "allowed cpu, cuda, ascend" in capsys.readouterr().err
