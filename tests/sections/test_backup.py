"""Results of an earlier run while a section is measured: saved, restored, archived."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from evalpress.sections import backup


@pytest.fixture
def folder(tmp_path) -> Path:
    put(tmp_path, "old")
    (tmp_path / "results" / "raw" / "quality_other.json").write_text("not ours")
    return tmp_path


def put(folder: Path, text: str, result: bool = True) -> None:
    (folder / "results" / "raw").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "raw" / "quality-a.json").write_text(text)
    if result:
        # Results are always replaced, never written into.
        (folder / "results" / "new").write_text(text)
        (folder / "results" / "new").replace(folder / "results" / "quality.json")


def held(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*.json")) if "other" not in p.name}


OLD = {"results/quality.json": "old", "results/raw/quality-a.json": "old"}


def test_an_interrupted_measurement_leaves_the_old_pair(folder):
    backup.save(folder, "quality")
    put(folder, "half", result=False)
    (folder / "results" / "raw" / "quality-b.json").write_text("half")
    backup.recover(folder, "quality")
    assert held(folder) == OLD and not (folder / ".aside").exists()


def test_an_interrupted_notebook_keeps_results_that_were_completed(folder):
    backup.save(folder, "quality")
    put(folder, "new")
    backup.recover(folder, "quality")
    assert held(folder) == dict.fromkeys(OLD, "new") and not (folder / ".aside").exists()


def test_an_interrupted_first_measurement_leaves_nothing(tmp_path):
    backup.save(tmp_path, "quality")
    put(tmp_path, "half", result=False)
    backup.recover(tmp_path, "quality")
    assert held(tmp_path) == {}


@pytest.mark.parametrize("result", [True, False])
def test_a_failed_measurement_is_archived_and_the_old_results_are_put_back(folder, result):
    backup.save(folder, "quality")
    put(folder, "new", result)
    backup.archive(folder, "quality")
    new = ["failed/quality.json"] * result + ["failed/raw/quality-a.json"]
    assert held(folder) == {**dict.fromkeys(new, "new"), **OLD}


def test_recovering_when_nothing_was_interrupted_changes_nothing(folder):
    backup.recover(folder, "quality")
    assert held(folder) == OLD


def test_results_that_were_not_written_again_are_not_taken_for_new(folder):
    backup.save(folder, "quality")
    assert not backup.renewed(folder, "quality")
    time.sleep(0.01)
    put(folder, "old")
    assert backup.renewed(folder, "quality")
