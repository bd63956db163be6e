"""Every line on start-up and memory that the looked-at releases can print is read, filled with numbers.

The lists in tests/data/log_formats were made from the wheels by scripts/log_formats.py.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from evalpress.core.units import GIB
from evalpress.engine import start_log

FOLDER = Path(__file__).resolve().parents[1] / "data" / "log_formats"
LISTS = sorted(FOLDER.glob("*.json"))
HOLE = re.compile(r"%(?:\.\d+)?[sdf]|\{\}")

READ: list[tuple[str, dict[str, int]]] = [
    (r"Model loading took .* seconds", {"model_weights_gib": 0, "load_weights_s": 1}),
    (r"Loading model weights took \S+ Gi?B$", {"model_weights_gib": 0}),
    (r"Loading (model )?weights took \S+ seconds", {"load_weights_s": 0}),
    (r"^(%s)?Dynamo bytecode transform time", {"dynamo_s": -1}),
    (r"Compiling a graph for", {"backend_compile_s": -1}),
    (r"torch\.compile (takes|took|and initial)", {"compile_s": -1}),
    (r"init engine .*\(compilation: %.2f s\)$", {"compile_s": 1}),
    (r"init engine .*language_model", {"compile_s": 1}),
    (r"^Graph capturing finished", {"graph_capture_s": 0, "graph_capture_gib": 1}),
    (r"Available KV cache memory", {"kv_cache_gib": 0}),
    (r"(Auto|Explicitly) set \(", {"kv_cache_gib": 0}),
    (r"KVCACHE_SPACE not set", {"kv_cache_gib": 0}),
    (r"reserved \S+ ?GiB (memory )?for KV Cache as", {"kv_cache_gib": 1}),
    (r"KV cache size: %s tokens$", {"kv_cache_tokens": 0}),
    (r"^%s KV cache size: ", {"kv_cache_tokens": 1, "max_concurrency": 3}),
    (r"^GPU KV cache size: .*, Maximum", {"kv_cache_tokens": 0, "max_concurrency": 2}),
    (r"^Maximum concurrency", {"max_concurrency": 1}),
    (r"Free memory on device", {"activation_peak_gib": 5}),
    (r"Memory profiling takes", {"model_weights_gib": 4, "activation_peak_gib": 6, "kv_cache_gib": 7}),
]
"""A format and which of its holes, counted from 0 (from the end where negative), is which figure."""

SHIFTED = {r"consumed memory": {"activation_peak_gib": 5}}
UNREAD = (
    r"Initial(izing|\s)|Starting|Warming up|Directly load|npugraph_ex|Compiling model again|Capturing|# %s blocks"
    r"|Enforce eager|init engine \(profile, create kv cache, warmup model\) took %\.2f s(econds)?$|Encoder graph"
    r"|Online quantization|Available memory: |Auto-fit|reserved for KV cache$|in total \{\}|No blocks selected"
    r"|reserved \{\} \(VLLM"
)
"""Marks of time without a figure, lines of other devices, and those with tests of their own."""


def filled(text: str) -> tuple[str, list[str]]:
    """A format with 1.25, 2.25, … in its holes (whole numbers where a whole number stands)."""
    numbers: list[str] = []

    def fill(_: re.Match[str]) -> str:
        numbers.append(f"{len(numbers) + 1}.25")
        return numbers[-1]

    return HOLE.sub(fill, text), numbers


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_every_format_of_a_release_is_read(path):
    rows = json.loads(path.read_text(encoding="utf-8"))["formats"]
    assert rows
    for row in rows:
        text = row["text"]
        expected = next((keys for pattern, keys in READ if re.search(pattern, text)), None)
        if expected is None:
            assert re.search(UNREAD, text), f"{path.name}: nothing reads {text!r}"
            continue
        line, numbers = filled(text)
        log = start_log.parse(line)
        flat = log.startup | log.memory | log.compilation
        for key, index in expected.items():
            wanted = float(numbers[index])
            assert flat[key] == (int(wanted) if key == "kv_cache_tokens" else wanted), (path.name, key, line)


def test_vllm_ascends_bytes_for_the_cache_are_bytes():
    line = "INFO 07-10 08:00:01 [worker_v1.py:194] Available memory: 54539345920, total memory: 65464696832"
    assert start_log.parse(line).memory["kv_cache_gib"] == 54539345920 / GIB


def test_blocks_of_the_v0_engine_are_tokens():
    text = "# NPU blocks: 34670, # CPU blocks: 2340\nMaximum concurrency for 4096 tokens per request: 1083.44x\n"
    assert start_log.parse(text).memory["kv_cache_tokens"] == 34670 * 128


@pytest.mark.parametrize(
    "line",
    [
        "Online quantization as part of model loading took 3.00 seconds",
        "Encoder graph capturing finished in 3 secs, took 0.15 GiB (4 graphs)",
        "Reloading and processing weights took 2.00 seconds",
    ],
)
def test_lines_about_something_else_are_no_figures(line):
    assert not start_log.parse(line).found
