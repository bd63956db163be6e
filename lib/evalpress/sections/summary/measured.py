"""The results of all sections by name, as the summary reads them."""

from __future__ import annotations

from typing import TypedDict

from evalpress.params.engine import EAGER
from evalpress.sections.alignment.results import Results as Alignment
from evalpress.sections.benchmark.results import Results as Benchmark
from evalpress.sections.evidence.results import Results as Evidence
from evalpress.sections.quality.results import Results as Quality
from evalpress.sections.serving.results import Results as Serving
from evalpress.sections.setup.results import Results as Setup

_VLLM = "vllm_"


class Measured(TypedDict, total=False):
    """A section that was skipped or failed is absent."""

    setup: Setup
    benchmark: Benchmark
    serving: Serving
    evidence: Evidence
    alignment: Alignment
    quality: Quality


def judged_runs(alignment: Alignment) -> list[tuple[str, str]]:
    """Name and mode of the runs of vLLM that the summary reports: every compiling one, else eager; may be empty."""
    modes = [name.removeprefix(_VLLM) for name in alignment.candidates if name.startswith(_VLLM)]
    return [(_VLLM + mode, mode) for mode in [mode for mode in modes if mode != EAGER] or modes]


def throughput_workload(benchmark: Benchmark) -> str | None:
    """Name of the first workload of the kind throughput."""
    return next((name for name, load in benchmark.workloads.items() if load.kind == "throughput"), None)


def single_workload(benchmark: Benchmark) -> str | None:
    """Name of the first workload with one request at a time."""
    return next((name for name, load in benchmark.workloads.items() if load.alone), None)
