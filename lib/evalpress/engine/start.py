"""One start of an engine: vLLM imported, configured and constructed, with what was printed and measured on the way."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from evalpress.core.plain import Options
from evalpress.engine import cold, compile_cache, hidden_log, inspection, memory, startup, vllm_compat, worker_extension
from evalpress.engine.capture import OutputCapture
from evalpress.engine.core import Engine
from evalpress.engine.log_lines import Figures, Line
from evalpress.engine.results import Compilation, Startup
from evalpress.launch import environment
from evalpress.launch.arguments import arguments
from evalpress.params.engine import EAGER
from evalpress.params.schema import Mode, Params

_one_off: dict[str, float] = {}
_compiled: set[str] = set()
"""Keywords of the engines of compiling modes that were started in this process."""
_log = logging.getLogger(__name__)
_HIDING = {"VLLM_CONFIGURE_LOGGING": ("0",), "VLLM_LOGGING_LEVEL": ("WARNING", "ERROR", "CRITICAL")}


def supported_architectures(params: Params) -> Sequence[str]:
    """The architectures registered in the installed vLLM (its plugins included)."""
    import_vllm(params)
    from vllm import ModelRegistry

    return sorted(ModelRegistry.get_supported_archs())


def import_vllm(params: Params) -> None:
    """Import vLLM with the set's environment, timed. Called before anything else that is slow to import.

    Measuring code calls it first, so that the import is timed in a process that has imported neither torch
    nor transformers, as a user's process would.
    """
    os.environ.update(environment.engine_env(params))  # the set's own values apply, also for a second set
    if "import_s" in _one_off:
        return
    start = time.monotonic()
    import vllm
    from vllm import LLM  # noqa: F401  vLLM imports its engine on first use of the name

    _one_off["import_s"] = time.monotonic() - start
    _log.info("vLLM %s imported in %.1f s", vllm.__version__, _one_off["import_s"])


def _configure_once(params: Params, mode: Mode) -> None:
    """The first configuration in a process inspects the model's class; that time must not count for either mode."""
    if "config_s" in _one_off:
        return
    from vllm.engine.arg_utils import EngineArgs

    start = time.monotonic()
    known = {k: v for k, v in arguments(params, mode).items() if k in EngineArgs.__dataclass_fields__}
    EngineArgs(**known).create_engine_config()
    _one_off["config_s"] = time.monotonic() - start


def load(params: Params, mode: Mode, changed: Mapping[str, Any]) -> Engine:
    """A new engine; exceptions of vLLM are passed on.

    Args:
        changed: keywords of vLLM's `LLM(...)` that differ from the set's.
    """
    keywords = arguments(params, mode) | dict(changed)
    joined = keywords | worker_extension.keywords(params.platform.backend, keywords)
    recorded: list[int] = []
    with OutputCapture() as capture:
        import_vllm(params)
        _configure_once(params, mode)
        vllm_compat.forget_printed_lines()
        vllm_compat.forget_rotary_embeddings()
        vllm_compat.let_llvmlite_be_searched()
        import vllm

        watch = compile_cache.Watch(in_process=environment.in_process(params))
        began = time.monotonic()
        with hidden_log.log_kept() as hidden, vllm_compat.record_weight_bytes(recorded):
            llm = vllm.LLM(**joined)
        wall = time.monotonic() - began
    lines = sorted([*capture.lines, *hidden])
    again = repr(keywords) in _compiled
    cache = compile_cache.CacheUse(compile_cache.NONE, False)
    if mode != EAGER:
        cache = watch.use(lines, again=again)
        _compiled.add(repr(keywords))
    engine = _described(params, mode, llm, keywords, lines, recorded, wall=wall, began=began, cache=cache)
    engine.sampler_mode = worker_extension.set_mode(llm, joined)
    if again:
        engine.startup = engine.startup.model_copy(update={"second_in_process": True})
    if cache.words == startup.EMPTY and not changed:
        cold.save(params, mode, engine.startup)
    vllm_compat.report_steps(llm, engine.inter_token_latencies.extend, engine.counters.add)
    return engine


def _described(
    params: Params,
    mode: Mode,
    llm: Any,
    keywords: Options,
    lines: Sequence[Line],
    recorded: Sequence[int],
    *,
    wall: float,
    began: float,
    cache: compile_cache.CacheUse,
) -> Engine:
    compiled = mode != EAGER
    times = startup.phases(lines, **_one_off, wall_s=wall, compiled=compiled, began=began)
    return Engine(
        llm=llm,
        mode=mode,
        max_model_len=params.engine.max_model_len,
        startup=Startup.model_validate(hidden_lines_named(times) | inspection.graph_facts(llm, compiled, cache)),
        memory=hidden_lines_named(memory.figures(llm, lines, recorded, params)),
        compilation=Compilation.model_validate(
            inspection.compilation(llm, compiled)
            | hidden_lines_named(startup.compile_figures(lines, compiled=compiled))
        ),
        arguments=keywords,
    )


def hidden_lines_named(figures: Figures, env: Mapping[str, str] | None = None) -> Figures:
    """The figures; where the caller's log level keeps an engine's own process from printing, each reason names it."""
    values = os.environ if env is None else env
    hiding = [f"{name}={values[name]}" for name, hide in _HIDING.items() if values.get(name, "").upper() in hide]
    if not hiding:
        return figures
    return {
        key: f"{value} ({', '.join(hiding)} hides lines of the engine's own processes)"
        if key.endswith("_why") and str(value).startswith("this vLLM printed no such figure")
        else value
        for key, value in figures.items()
    }


def one_line(error: BaseException) -> str:
    """The line of an exception that gives the reason, without pydantic's frame or a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    value = [line for line in lines if line.startswith("Value error, ")]
    told = (value or lines or [type(error).__name__])[0].removeprefix("Value error, ").split(" [type=")[0]
    if missing := re.search(r"'_OpNamespace' '\w+' object has no attribute '(\w+)'", told):
        return f"this build of vLLM has no kernel {missing[1]} for this platform ({told})"
    return told
