"""What an engine holds, from its log and its configuration."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from evalpress.engine import memory

PRINTED = [
    (0.0, "INFO 11-26 04:33:23 [kv_cache_utils.py:1316] GPU KV cache size: 1,048,576 tokens")
]  # vLLM 0.18.0, CPU


@pytest.mark.parametrize(
    ("cache", "gib"), [({"cpu_kvcache_space_bytes": 2**30}, 1.0), ({"cpu_kvcache_space_bytes": None}, None), ({}, None)]
)
def test_a_kv_cache_that_no_line_tells_in_bytes_has_the_space_that_the_engine_was_given(cache, gib):
    held = SimpleNamespace(**cache, num_gpu_blocks=8192, block_size=128)
    llm = SimpleNamespace(llm_engine=SimpleNamespace(vllm_config=SimpleNamespace(cache_config=held)))
    engine = SimpleNamespace(max_model_len=2048, tensor_parallel_size=1, pipeline_parallel_size=1)
    found = memory.figures(llm, PRINTED, [2**21], SimpleNamespace(engine=engine))
    assert (found["kv_cache_gib"], found["kv_cache_tokens"], found["max_concurrency"]) == (gib, 1048576, 512.0)
    assert ("kv_cache_gib_why" in found) == (gib is None)
