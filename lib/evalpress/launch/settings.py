"""Settings for determinism and communication, by platform: what each does, who reads it, where that is stated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from evalpress.core.plain import Fields
from evalpress.launch import environment, variables
from evalpress.params.schema import Params

Purpose = Literal["determinism", "communication", "memory", "threads"]


@dataclass(frozen=True)
class Setting:
    """One environment variable with the value that serves `purpose`."""

    name: str
    value: str
    purpose: Purpose
    effect: str
    read_by: str
    source: str


_FAQ = "vLLM-Ascend FAQ, deterministic results (vllm-ascend pull request 2334, issue 9373)"
_HCCL = "CANN 8.5.0, environment variables, HCCL_DETERMINISTIC (envref_07_0099)"
_ATB = "CANN, Ascend Transformer Boost, set_env.sh and its environment variables (ascendtb_0032)"

SETTINGS: dict[str, tuple[Setting, ...]] = {
    "ascend": (
        Setting(
            "HCCL_DETERMINISTIC",
            "true",
            "determinism",
            "reductions between cards add up in a fixed order; slower; on one card without effect",
            "HCCL (CANN)",
            _HCCL,
        ),
        Setting(
            "LCCL_DETERMINISTIC",
            "1",
            "determinism",
            "order-preserving AllReduce of the low-latency library, for at most 8 cards",
            "LCCL (Ascend Transformer Boost)",
            _FAQ,
        ),
        Setting(
            "ATB_MATMUL_SHUFFLE_K_ENABLE",
            "0",
            "determinism",
            "matrix products sum along K without shuffling (the library's default is 1)",
            "Ascend Transformer Boost (NNAL)",
            _ATB,
        ),
        Setting(
            "ATB_LLM_LCOC_ENABLE",
            "0",
            "determinism",
            "no overlap of communication and computation",
            "Ascend Transformer Boost models",
            _FAQ,
        ),
        Setting(
            "VLLM_BATCH_INVARIANT",
            "1",
            "determinism",
            "operators whose result does not depend on the batch, where triton-ascend has them; slower",
            "vLLM and vLLM-Ascend",
            "vLLM-Ascend's batch_invariant.py, which then sets HCCL_DETERMINISTIC=strict itself",
        ),
        Setting(
            "HCCL_OP_EXPANSION_MODE",
            "AIV",
            "communication",
            "collectives are unrolled on the vector cores; vLLM-Ascend then captures graphs for more batch sizes",
            "HCCL (CANN)",
            "vLLM-Ascend's own warning at start-up (update_aclgraph_sizes)",
        ),
    ),
    "cuda": (
        Setting(
            "VLLM_BATCH_INVARIANT",
            "1",
            "determinism",
            "kernels whose result does not depend on the batch; slower",
            "vLLM",
            "vLLM documentation, batch invariance",
        ),
        Setting(
            "CUBLAS_WORKSPACE_CONFIG",
            ":4096:8",
            "determinism",
            "cuBLAS keeps one workspace per stream, so that a product is summed in the same order again",
            "cuBLAS",
            "cuBLAS documentation, results reproducibility",
        ),
    ),
    "cpu": (
        Setting(
            "VLLM_ENABLE_V1_MULTIPROCESSING",
            "0",
            "determinism",
            "the engine steps in the calling process: the same requests form the same batches again",
            "vLLM",
            "vLLM documentation, reproducibility",
        ),
        Setting(
            "VLLM_CPU_OMP_THREADS_BIND",
            "auto",
            "threads",
            "threads are bound to cores; a list such as 0-3|4-7 binds one range per rank",
            "vLLM (CPU)",
            "vLLM documentation, CPU installation guide",
        ),
    ),
}

LEFT_OUT: dict[str, tuple[tuple[str, str], ...]] = {
    "ascend": (
        (
            "VLLM_ASCEND_MODE=1",
            "Published run books set it. {mentions}: setting it changes nothing. vLLM finds the NPU through the "
            "plugin's entry point (vllm.platform_plugins: ascend).",
        ),
    ),
    "cuda": (),
    "cpu": (),
}


def rows(params: Params, env: Mapping[str, str] | None = None) -> list[Fields]:
    """The settings of the set's platform, and whether each is in force in this run.

    `found` is the variable's value here, null where it is not set.
    """
    backend = params.platform.backend
    values = environment.engine_env(params) | dict(os.environ if env is None else env)
    table = []
    for setting in SETTINGS[backend]:
        row = asdict(setting) | {"found": values.get(setting.name)}
        if backend == "ascend":
            row["read_by"] = f"{setting.read_by}; {variables.mentions(setting.name)}"
        if row["found"] is None:
            row["found_why"] = "not set in this run"
        table.append(row)
    return table


def left_out(params: Params) -> list[dict[str, str]]:
    """What other run books print and this one does not, with the reason."""
    found = []
    for what, why in LEFT_OUT[params.platform.backend]:
        mentions = variables.mentions(what.split("=")[0])
        found.append({"what": what, "why": why.format(mentions=mentions[0].upper() + mentions[1:])})
    if not params.model.trust_remote_code:
        why = "The set runs no code from the model's folder; an architecture built into vLLM needs none."
        found.append({"what": "--trust-remote-code", "why": why})
    return found
