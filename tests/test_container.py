"""The official container's package list as constraints: what the suite adds replaces nothing that is there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from evalpress.core.paths import ROOT

pytestmark = pytest.mark.slow

REPLICA = ROOT / "tests" / "data" / "ascend" / "versions" / "container_replica_2026-04-02.txt"
"""The packages of the vllm-ascend 0.18.0rc1 image, 2 April 2026."""
_ELSEWHERE = re.compile(r"\+git|^(hccl|te|tbe|auto-tune|opc-tool|msobjdump|show-kernel-debug-data|schedule-search)\b")
"""Packages of CANN and builds of the image itself, which no index has: none of them is required by the suite."""


def constraints(folder: Path) -> Path:
    """As `make report VENV=` writes them from what is installed."""
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "scripts" / "setup_env.py")
    setup_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup_env)
    listed = (line.partition("==") for line in REPLICA.read_text(encoding="utf-8").split())
    installed = {setup_env._normal(name): number for name, _, number in listed}
    kept = setup_env.constrained(installed, [ROOT / "requirements" / "suite.in"]).splitlines()
    path = folder / "constraints.txt"
    path.write_text("\n".join(line for line in kept if not _ELSEWHERE.search(line)) + "\n", encoding="utf-8")
    return path


def test_the_suites_packages_resolve_beside_the_containers(tmp_path):
    """pip's own resolver, without installing; versions of the image stay, and what is new is a notebook tool."""
    limits = constraints(tmp_path)
    fixed = dict(line.split("==") for line in limits.read_text(encoding="utf-8").split())
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--only-binary", ":all:", "--python-version", "3.11"]
    command += ["--target", str(tmp_path / "nowhere"), "--report", str(tmp_path / "report.json"), "-c", str(limits)]
    command += ["-r", str(ROOT / "requirements" / "suite.in")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode and re.search(r"No matching distribution|Connection|Could not fetch|Temporary", done.stderr):
        pytest.skip(f"no index with these packages here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr[-2000:]
    chosen = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
        for item in json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["install"]
    }
    replaced = {name: (fixed[name], number) for name, number in chosen.items() if fixed.get(name, number) != number}
    assert replaced == {}
    assert {"papermill", "jupyterlab", "nbconvert"} <= set(chosen)
    assert not {"torch", "torch-npu", "vllm", "vllm-ascend"} & set(chosen)
