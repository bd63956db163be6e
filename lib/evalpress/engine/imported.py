"""What a forked server finds imported: vLLM's server and its engine core. `forked` gives this to the fork server."""

import gc
import importlib
import warnings

_MODULES = (
    "vllm.entrypoints.openai.api_server",
    "vllm.v1.engine.async_llm",
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.v1.worker.cpu_worker",
    "torch._inductor.compile_fx",
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the run book's module says so again when it runs
    for _name in _MODULES:
        importlib.import_module(_name)

gc.collect()
gc.freeze()  # as the gc module advises before a fork: no collection copies the shared pages
