"""What makes each determinism check hold, by platform: engine arguments and environment variables.

Variables with their values and sources are in the run book (`evalpress.launch.settings`); here only which
of them serves which check.
"""

from __future__ import annotations

from evalpress.launch.settings import SETTINGS, rows
from evalpress.params.schema import Params

_FIXED_SUMS = ("HCCL_DETERMINISTIC", "LCCL_DETERMINISTIC", "ATB_MATMUL_SHUFFLE_K_ENABLE", "ATB_LLM_LCOC_ENABLE")
_INVARIANT = "VLLM_BATCH_INVARIANT"
_STEPPED = "VLLM_ENABLE_V1_MULTIPROCESSING"
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_ALONE = "max_num_seqs=1 (vLLM has no batch-invariant kernels for a CPU)"
_OTHER_KERNELS = "nothing: other kernels sum in another order; float32 makes ties rare"

_VARIABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "same_engine_again": {"ascend": _FIXED_SUMS, "cuda": (_CUBLAS,), "cpu": (_STEPPED,)},
    "new_engine": {"ascend": _FIXED_SUMS, "cuda": (_CUBLAS,), "cpu": (_STEPPED,)},
    "batch_of_all": {"ascend": (*_FIXED_SUMS, _INVARIANT), "cuda": (_INVARIANT,), "cpu": ()},
    "shuffled_batch": {"ascend": (*_FIXED_SUMS, _INVARIANT), "cuda": (_INVARIANT,), "cpu": ()},
    "prefix_cache": {"ascend": (*_FIXED_SUMS, _INVARIANT), "cuda": (_INVARIANT,), "cpu": ()},
    "offline_against_server": {"ascend": (*_FIXED_SUMS, _INVARIANT), "cuda": (_INVARIANT,), "cpu": ()},
    "server_under_load": {"ascend": (*_FIXED_SUMS, _INVARIANT), "cuda": (_INVARIANT,), "cpu": ()},
    "seeded_sampling": {"ascend": _FIXED_SUMS, "cuda": (_CUBLAS,), "cpu": (_STEPPED,)},
}
_ONE_MODE = dict.fromkeys(("ascend", "cuda", "cpu"), "enforce_eager=True on both sides")
_ARGUMENTS: dict[str, dict[str, str]] = {
    "batch_of_all": {"cpu": _ALONE},
    "shuffled_batch": {"cpu": _ALONE},
    "server_under_load": {"cpu": _ALONE},
    "seeded_sampling": dict.fromkeys(("ascend", "cuda", "cpu"), "a seed per request, the same batch"),
    "tensor_parallel": dict.fromkeys(("ascend", "cuda", "cpu"), "tensor_parallel_size=1 on both sides"),
    "prefix_cache": dict.fromkeys(("ascend", "cuda", "cpu"), "enable_prefix_caching=False on both sides"),
    "offline_against_server": dict.fromkeys(
        ("ascend", "cuda", "cpu"), "the run book's server arguments, penalties sent as neutral, one request at a time"
    ),
    "compiled_against_eager": _ONE_MODE,
    "vllm_against_transformers": dict.fromkeys(("ascend", "cuda", "cpu"), _OTHER_KERNELS),
}


def holds_with(check: str) -> dict[str, tuple[str, ...]]:
    """By platform, what makes the check hold: `NAME=value` and engine arguments."""
    found = {}
    for backend, known in SETTINGS.items():
        values = {setting.name: setting.value for setting in known}
        names = _VARIABLES.get(check, {}).get(backend, ())
        argument = (_ARGUMENTS.get(check) or (_ONE_MODE if "_against_" in check else {})).get(backend)
        found[backend] = (*(f"{name}={values[name]}" for name in names), *([argument] if argument else []))
    return found


def in_force(params: Params) -> dict[str, str]:
    """The platform's determinism variables that are set in this run, with their values."""
    return {
        row["name"]: row["found"]
        for row in rows(params)
        if row["purpose"] == "determinism" and row["found"] is not None
    }
