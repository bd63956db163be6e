"""Four cases of the quality section, and a report in which they were judged."""

from __future__ import annotations

import pytest
from evalpress.core import paths, results
from evalpress.sections.quality import judging
from quality_samples import CASES, OUTPUTS, results_of


@pytest.fixture
def cases(tmp_path):
    path = tmp_path / "cases.yaml"
    path.write_text(CASES)
    return judging.load_cases([str(path)])


@pytest.fixture
def report(tmp_path, monkeypatch, cases):
    """A report of the set `mine` with the cases judged, and a folder of parameters of its own."""
    monkeypatch.setattr(paths, "PARAMS", tmp_path / "params")
    data = results_of(judging.judge(cases, OUTPUTS, {}, "base"))
    results.write(tmp_path / "reports" / "mine" / "results" / "quality.json", "quality", data, {}, {})
    return tmp_path / "reports"
