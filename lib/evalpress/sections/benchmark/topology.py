"""How the engine is spread over devices and processes."""

from __future__ import annotations

from evalpress.launch import environment
from evalpress.params.schema import Params
from evalpress.sections.benchmark.results import Topology


def topology(params: Params) -> Topology:
    """Parallel sizes, the executor that was asked for, and where the engine core runs."""
    e = params.engine
    place = "in the notebook's process" if environment.in_process(params) else "in a separate process"
    return Topology(
        tensor_parallel_size=e.tensor_parallel_size,
        pipeline_parallel_size=e.pipeline_parallel_size,
        data_parallel_size=e.data_parallel_size,
        distributed_executor_backend=e.distributed_executor_backend or "vLLM's choice",
        engine_core=place,
    )
