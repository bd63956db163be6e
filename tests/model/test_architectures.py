"""Every causal language model known to transformers and vLLM: our figures against transformers' own."""

from __future__ import annotations

import importlib.util
import logging
from types import ModuleType

import pytest
from evalpress.core.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts" / "architectures_docs.py"
    spec = importlib.util.spec_from_file_location("architectures_docs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["architectures_docs"] = module
    spec.loader.exec_module(module)
    return module


def test_the_sweep(script: ModuleType) -> None:
    logging.disable(logging.CRITICAL)
    try:
        found = list(script.rows())
    finally:
        logging.disable(logging.NOTSET)
    assert len(found) > 60
    for row in found:
        assert row.found is not None, f"{row.model_type}: {row.refused}"
        assert row.found.parameters == row.parameters, row.model_type
        ours = row.found.kv_values_per_token
        if None not in (ours, row.kv_values) and row.model_type not in script.EXPANDED:
            assert ours == row.kv_values, row.model_type
    assert sum(row.kv_values is not None for row in found) > 50
    assert script.PAGE.read_text(encoding="utf-8") == script.page(found)
