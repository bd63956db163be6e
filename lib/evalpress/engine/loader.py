"""Loading engines: one per mode, kept for the life of the process, with what their start-up said."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

from evalpress.core.errors import MeasurementError
from evalpress.core.hashing import digest
from evalpress.engine import cold, forked, inspection, memory, startup
from evalpress.engine.core import Engine
from evalpress.engine.tap import LineTap
from evalpress.launch import environment
from evalpress.launch.arguments import arguments
from evalpress.params.schema import Mode, Params

_loaded: dict[str, Engine] = {}
_one_off: dict[str, float] = {}
_log = logging.getLogger(__name__)
_CLEAN_UP = "cleanup_dist_env_and_memory"


def get(params: Params, mode: Mode) -> Engine:
    """The engine of this set in this mode, loaded on first use.

    With `engine.resident: one` the other mode's engine is released first.

    Raises:
        MeasurementError: vLLM refuses the model or the settings; one line saying why.
    """
    key = _key(params, mode)
    if key not in _loaded:
        stale = [k for k, e in _loaded.items() if params.engine.resident == "one" or e.mode == mode]
        for old in stale:
            release(old)
        _loaded[key] = _load(params, mode)
    _loaded[key].slowdown_s = params.benchmark.test_slowdown_s.get(mode, 0.0)
    return _loaded[key]


def reload(params: Params, mode: Mode) -> Engine:
    """The mode's engine, started once more in this process: from the compile cache on disk, not from memory."""
    release(_key(params, mode))
    import torch
    from torch._inductor.codecache import PyCodeCache

    torch.compiler.reset()
    PyCodeCache.cache_clear()
    return get(params, mode)


def _key(params: Params, mode: Mode) -> str:
    return digest([params.model.model_dump(mode="json"), params.engine.model_dump(mode="json"), mode])


@contextlib.contextmanager
def fresh(params: Params, mode: Mode, **changed: Any) -> Iterator[Engine]:
    """An engine of its own for the length of a `with` block, beside the kept ones; then it is freed.

    Where memory holds one engine only (`engine.resident: one`), the kept ones are released first and loaded
    again when they are next asked for.

    Args:
        changed: keywords of vLLM's `LLM(...)` that differ from the set's.

    Raises:
        MeasurementError: as `get`.
    """
    if params.engine.resident == "one":
        release()
    gc.freeze()  # loading makes several whole collections
    loaded = _load(params, mode, changed)
    try:
        yield loaded
    finally:
        _shut_down(loaded)
        gc.freeze()  # what is left for the collector holds neither weights nor cache
        _empty_caches()


def release(key: str | None = None) -> None:
    """Free one engine, or all, and the memory they held."""
    for name in [key] if key else list(_loaded):
        _shut_down(_loaded.pop(name))
    _collect()


def _shut_down(engine: Engine) -> None:
    """End the engine's core; whoever still holds the object can do nothing with it.

    A core in this process would tear down the process groups, too, which all engines of the process share, and
    collect all objects of the process one by one: both are left to the last one.
    """
    import vllm.v1.engine.core as vllm_core

    core = getattr(engine.llm.llm_engine, "engine_core", None)
    if core is not None and hasattr(core, "shutdown"):
        with contextlib.ExitStack() as others_live:
            if _loaded:
                others_live.enter_context(mock.patch.object(gc, "unfreeze"))
                if hasattr(vllm_core, _CLEAN_UP):  # vLLM 0.18 leaves the groups alone
                    others_live.enter_context(mock.patch.object(vllm_core, _CLEAN_UP))
            core.shutdown()
    engine.llm = None


def _collect() -> None:
    gc.unfreeze()  # vLLM freezes what lives when an engine has loaded and when its client runs: then nothing is freed
    gc.collect()
    gc.freeze()  # a whole collection takes half a second, and vLLM's loading makes several
    _empty_caches()


def _empty_caches() -> None:
    import torch

    for device in ("cuda", "npu"):
        accelerator = getattr(torch, device, None)
        if accelerator is not None and accelerator.is_available():
            accelerator.empty_cache()


def supported_architectures(params: Params) -> Sequence[str]:
    """The architectures registered in the installed vLLM (its plugins included)."""
    _import(params)
    from vllm import ModelRegistry

    return sorted(ModelRegistry.get_supported_archs())


def import_vllm(params: Params) -> None:
    """Import vLLM with the set's environment, timed. Called before anything else that is slow to import.

    Measuring rooms call it first, so that the import is timed in a process that has imported neither torch
    nor transformers, as a user's process would.
    """
    _import(params)
    forked.settle()


def _import(params: Params) -> None:
    os.environ.update(environment.engine_env(params))  # what the set says is what runs, also for a second set
    if "import_s" in _one_off:
        return
    start = time.monotonic()
    import vllm
    from vllm import LLM  # noqa: F401  vLLM imports its engine on first use of the name

    _one_off["import_s"] = time.monotonic() - start
    _log.info("vLLM %s imported in %.1f s", vllm.__version__, _one_off["import_s"])


def _configure_once(params: Params, mode: Mode) -> None:
    """The first configuration in a process inspects the model's class; neither mode's figure shall hold that."""
    if "config_s" in _one_off:
        return
    from vllm.engine.arg_utils import EngineArgs

    start = time.monotonic()
    known = {k: v for k, v in arguments(params, mode).items() if k in EngineArgs.__dataclass_fields__}
    EngineArgs(**known).create_engine_config()
    _one_off["config_s"] = time.monotonic() - start


def _load(params: Params, mode: Mode, changed: Mapping[str, Any] | None = None) -> Engine:
    keywords = arguments(params, mode) | dict(changed or {})
    weighed: list[int] = []
    try:
        with LineTap() as tap:
            import_vllm(params)
            _configure_once(params, mode)
            _forget_printed_lines()
            _quieten_llvmlite()
            import vllm

            before = inspection.compile_artefacts()
            start = time.monotonic()
            with memory.weighing(weighed):
                llm = vllm.LLM(**keywords)
            wall = time.monotonic() - start
    except Exception as error:
        raise MeasurementError(f"vLLM did not load {params.model.shown} in {mode} mode: {one_line(error)}") from error
    compiled = mode == "compiled"
    new = bool(inspection.compile_artefacts() - before)
    times = startup.phases(tap.lines, **_one_off, wall_s=wall, compiled=compiled, began=start)
    engine = Engine(
        llm=llm,
        mode=mode,
        max_model_len=params.engine.max_model_len,
        startup=times | inspection.graph_facts(llm, compiled, tap.lines, new_artefacts=new),
        memory=memory.figures(llm, tap.lines, weighed, params),
        compilation=inspection.compilation(llm, compiled) | startup.compile_figures(tap.lines, compiled=compiled),
        arguments=keywords,
    )
    if engine.startup["compile_cache"] == startup.EMPTY:
        cold.keep(params, mode, engine.startup)
    _tap_inter_token_latencies(engine)
    return engine


def one_line(error: BaseException) -> str:
    """The telling line of an exception, without pydantic's frame or a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    value = [line for line in lines if line.startswith("Value error, ")]
    told = (value or lines or [type(error).__name__])[0].removeprefix("Value error, ")
    return told.split(" [type=")[0]


def _quieten_llvmlite() -> None:
    """Let vLLM (0.32, CPU) look through a process in which numba was imported.

    It asks `vars()` of every object in every module; llvmlite's proxy of its C library answers any attribute,
    `__dict__` too, with a function, and the engine dies. An empty answer is kept ready for it.
    """
    ffi = sys.modules.get("llvmlite.binding.ffi")
    functions = getattr(getattr(ffi, "lib", None), "_fntab", None)
    if functions is not None:
        functions.setdefault("__dict__", {})


def _forget_printed_lines() -> None:
    """vLLM prints some lines once per process; the second engine's figures must be printed too."""
    import vllm.logger

    for name in ("_print_info_once", "_print_warning_once", "_print_debug_once"):
        cached = getattr(vllm.logger, name, None)
        if cached is not None and hasattr(cached, "cache_clear"):
            cached.cache_clear()


def _tap_inter_token_latencies(engine: Engine) -> None:
    """Keep each engine step's inter-token latencies, which vLLM computes but only aggregates."""
    manager = engine.llm.llm_engine.logger_manager
    record = manager.record

    def recording(*args: Any, **kwargs: Any) -> None:
        stats = kwargs.get("iteration_stats")
        if stats is not None:
            engine.inter_token_latencies.extend(stats.inter_token_latencies_iter)
        record(*args, **kwargs)

    manager.record = recording
