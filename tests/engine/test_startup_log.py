"""Start-up figures from log lines: recorded from a real run on CPU, and quoted from public logs of other platforms."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from evalpress import params
from evalpress.engine import memory, startup
from evalpress.engine.memory_lines import memory_figures

CPU_0_32_COMPILED = [
    (10.0, "INFO 11-22 09:58:09 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config: model='m'"),
    (10.4, "INFO 11-22 09:58:09 [cpu_model_runner.py:68] Starting to load model m..."),
    (10.5, "INFO 11-22 09:58:09 [base_loader.py:82] Initializing model took 0.072491 seconds"),
    (11.0, "INFO 11-22 09:58:10 [cpu_model_runner.py:87] Warming up model for the compilation..."),
    (42.0, "INFO 11-22 09:58:41 [monitor.py:91] [backbone] Initial profiling/warmup run took 0.38 s"),
    (42.1, "INFO 11-22 09:58:41 [cpu_model_runner.py:91] Warming up done."),
    (42.2, "INFO 11-22 09:58:41 [cpu_worker.py:260] Explicitly set (1.0/6.59) GiB for KV cache on node 0."),
    (
        42.3,
        "CPU KV cache size: 1,048,576 tokens, Maximum concurrency for 2,048 tokens per request: 512.00x",
    ),
    (44.0, "INFO 11-22 09:58:43 [core.py:402] init engine (profile, create kv cache, warmup model) took 33.65 s"),
]
"""Recorded on a CPU with vLLM 0.32.0; times rounded to tenths of a second."""

GPU_WORDS = [
    (1.0, "Initializing a V1 LLM engine (v0.18.0) with config: model='m'"),
    (2.0, "Starting to load model m..."),
    (3.0, "Model loading took 0.9266 GiB memory and 1.234567 seconds"),
    (4.0, "Dynamo bytecode transform time: 2.65 s"),
    (7.0, "Compiling a graph for compile range (1, 8192) takes 3.10 s"),
    (7.5, "torch.compile takes 5.75 s in total"),
    (8.0, "Available KV cache memory: 50.80 GiB"),
    (8.1, "GPU KV cache size: 4,437,760 tokens"),
    (8.2, "Maximum concurrency for 4,096 tokens per request: 1083.44x"),
    (12.0, "Graph capturing finished in 3.40 secs, took 0.11 GiB"),
    (12.5, "init engine (profile, create kv cache, warmup model) took 9.90 seconds"),
]
"""Constructed from vLLM 0.18.0's format strings (gpu_model_runner, backends, monitor, kv_cache_utils)."""

ASCEND_WORDS = [(1.0, "Starting to load model m..."), (2.0, "Loading model weights took 0.9278 GB")]
"""Constructed from vLLM-Ascend 0.18.0rc1's format string; the figure is in GiB whatever its unit says."""


def test_a_recorded_cpu_start_is_taken_apart():
    found = startup.phases(CPU_0_32_COMPILED, import_s=5.0, config_s=2.0, wall_s=34.5, compiled=True, began=9.5)
    assert found["engine_init_s"] == pytest.approx(0.9)
    assert found["load_weights_s"] == pytest.approx(0.6)
    assert found["compile_s"] == pytest.approx(31.1)
    assert found["kv_cache_s"] == pytest.approx(1.8)
    assert found["graph_capture_s"] is None
    assert found["graph_capture_s_why"]
    assert found["total_s"] == pytest.approx(41.5)
    parts = [value for key, value in found.items() if key.endswith("_s") and key != "total_s" and value is not None]
    assert sum(parts) == pytest.approx(found["total_s"])
    memory = memory_figures(CPU_0_32_COMPILED)
    assert (memory["kv_cache_tokens"], memory["max_concurrency"], memory["kv_cache_gib"]) == (1048576, 512.0, 1.0)


def test_a_compilation_after_the_cache_line_is_not_counted_twice():
    lines = [
        (1.0, "set (1.0/9.0) GiB for KV cache"),
        (2.0, "Warming up model for the compilation..."),
        (20.0, "Warming up done."),
        (21.0, "init engine (x) took 20.00 s"),
    ]
    found = startup.phases(lines, import_s=1.0, config_s=0.0, wall_s=21.0, compiled=True)
    assert found["compile_s"] == pytest.approx(18.0)
    assert found["kv_cache_s"] == pytest.approx(2.0)
    assert found["unaccounted_s"] >= 0


def test_printed_figures_are_preferred_to_the_times_between_lines():
    found = startup.phases(GPU_WORDS, import_s=5.0, config_s=0.0, wall_s=12.0, compiled=True)
    assert found["load_weights_s"] == 1.234567
    assert found["compile_s"] == 5.75
    assert found["graph_capture_s"] == 3.40
    assert found["kv_cache_s"] == pytest.approx(12.5 - 8.0 - 3.40)
    assert startup.compile_figures(GPU_WORDS, compiled=True) == {"dynamo_s": 2.65, "backend_compile_s": 3.10}
    memory = memory_figures(GPU_WORDS)
    assert memory == {
        "model_weights_gib": 0.9266,
        "kv_cache_gib": 50.80,
        "kv_cache_tokens": 4437760,
        "max_concurrency": 1083.44,
        "graph_capture_gib": 0.11,
        "activation_peak_gib": None,
    }


def test_ascends_gigabytes_are_gibibytes():
    assert memory_figures(ASCEND_WORDS)["model_weights_gib"] == 0.9278


def test_eager_has_no_compile_phase_and_says_so():
    found = startup.phases(GPU_WORDS, import_s=1.0, config_s=0.0, wall_s=12.0, compiled=False)
    assert found["compile_s"] is None
    assert found["compile_s_why"] == "eager mode neither compiles nor captures"


def test_a_log_without_known_lines_leaves_everything_unaccounted():
    found = startup.phases([], import_s=1.0, config_s=0.5, wall_s=3.0, compiled=True)
    assert found["unaccounted_s"] == pytest.approx(3.0)
    assert found["total_s"] == pytest.approx(4.5)


def test_a_compile_cache_that_vllm_rejects_is_told():
    line = "Compiling model again due to a load failure from /x/model, reason: 'function' object has no attribute 'f'"
    assert startup.rejected_cache([(0.0, line)]) == "'function' object has no attribute 'f'"
    assert startup.rejected_cache([]) is None


def test_the_peak_of_activations_is_read_where_vllm_prints_it():
    line = (
        "Actual usage is 0.93 GiB for weight, 1.27 GiB for peak activation, 0.05 GiB for non-torch memory, "
        "and 0.11 GiB for CUDAGraph memory."
    )
    assert memory_figures([(0.0, line)])["activation_peak_gib"] == 1.27


@pytest.mark.parametrize(
    ("printed", "given", "gib"),
    [(0.12, 2**27, 0.125), (0.12, None, 0.12), (50.8, 2**27, 50.8), (None, 2**27, None), (0.12, 0, 0.12)],
)
def test_the_bytes_given_to_the_kv_cache_replace_the_rounded_figure_of_the_log(printed, given, gib):
    lines = [] if printed is None else [(0.0, f"Explicitly set ({printed}/20.84) GiB for KV cache on node 0.")]
    cache = SimpleNamespace(kv_cache_memory_bytes=given, num_gpu_blocks=None)
    llm = SimpleNamespace(llm_engine=SimpleNamespace(vllm_config=SimpleNamespace(cache_config=cache)))
    assert memory.figures(llm, lines, [], params.load("demo"))["kv_cache_gib"] == gib
    over_two_ranks = memory.figures(llm, lines, [], params.load("demo-tp2"))["kv_cache_gib"]
    assert over_two_ranks == (None if gib is None else 2 * gib)
