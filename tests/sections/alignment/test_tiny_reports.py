"""Whole reports over tiny models of kinds that failed before; `benchmarks/tiny_models.py` runs all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from evalpress.core.paths import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import tiny_models

pytestmark = [pytest.mark.slow, pytest.mark.engine]


@pytest.mark.parametrize("name", ["smollm3", "bert"])
def test_a_report_from_a_params_file_alone(tmp_path: Path, name: str) -> None:
    """SmolLM3: vLLM changes the transformers class in place. BERT: refused in one line."""
    row = tiny_models.measure(name, tmp_path, serving=False)
    assert tiny_models.right(row), tiny_models.shown(row)
    assert row.facts or name == "bert"
