"""From the parameters to the keywords of vLLM's `LLM(...)`."""

from __future__ import annotations

from evalpress import model
from evalpress.core.plain import Options
from evalpress.core.units import GIB
from evalpress.launch import environment
from evalpress.model import measurable
from evalpress.params.engine import EAGER, Variant
from evalpress.params.schema import Mode, Params


def arguments(params: Params, mode: Mode) -> Options:
    """Keywords of vLLM's `LLM(...)` for this set and mode: the very ones that the run book prints."""
    e = params.engine
    variant = e.variants.get(mode) or Variant(compilation_config={} if mode == EAGER else e.compilation_config)
    folder = model.resolve(params)
    found: Options = {
        "model": str(folder),
        "dtype": e.dtype,
        "max_model_len": e.max_model_len,
        "seed": e.seed,
        "tensor_parallel_size": e.tensor_parallel_size,
        "pipeline_parallel_size": e.pipeline_parallel_size,
        "trust_remote_code": params.model.trust_remote_code,
        "enforce_eager": mode == EAGER,
        "enable_prefix_caching": False,
        "disable_log_stats": False,
        "max_logprobs": -1,
        "logprobs_mode": "raw_logits",
    }
    optional = {
        "gpu_memory_utilization": e.gpu_memory_utilization,
        "max_num_seqs": e.max_num_seqs,
        "distributed_executor_backend": e.distributed_executor_backend,
        "data_parallel_size": e.data_parallel_size if e.data_parallel_size > 1 else None,
        "compilation_config": variant.compilation_config or None,
        "kv_cache_memory_bytes": int(e.kv_cache_gib * GIB)
        if e.kv_cache_gib and environment.CPU_KV_SPACE not in environment.engine_env(params)
        else None,
    }
    found |= {key: value for key, value in optional.items() if value is not None}
    if params.model.weights == "random":
        found |= {"load_format": "dummy"}
    if not measurable.has_tokenizer(folder):
        found |= {"skip_tokenizer_init": True}
    return found | e.extra | variant.extra
