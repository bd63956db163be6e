"""Generators in a process of their own that never imports vLLM."""

from __future__ import annotations

import pytest
from evalpress.core.errors import MeasurementError
from evalpress.model.isolated import Isolated


def test_what_a_function_yields_is_streamed_back_and_its_exception_told() -> None:
    with Isolated("json") as process:
        assert list(process.stream("builtins:range", 3)) == [0, 1, 2]
        loaded = "['vllm' in __import__('sys').modules, __import__('os').getpid()]"
        vllm, pid = process.stream("builtins:eval", loaded)
        assert vllm is False
        assert pid != __import__("os").getpid()
        with pytest.raises(MeasurementError, match="ValueError: invalid literal"):
            list(process.stream("builtins:int", "x"))
        assert list(process.stream("builtins:range", 2)) == [0, 1]
        with pytest.raises(MeasurementError, match="ended without an answer"):
            list(process.stream("os:_exit", 3))
