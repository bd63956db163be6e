"""Which engines this process holds: one per mode, kept until it ends, freed when they fail or when memory is short."""

from __future__ import annotations

import contextlib
import gc
import logging
import traceback
from collections.abc import Iterator
from typing import Any

from evalpress.core.errors import MeasurementError
from evalpress.core.hashing import digest
from evalpress.core.plain import Options
from evalpress.engine import freeing, memory_plan, start
from evalpress.engine.core import Engine
from evalpress.params.schema import Mode, Params

_loaded: dict[str, Engine] = {}
_failed: dict[str, str] = {}
_device_memory: dict[str, freeing.DeviceMemory] = {}
_log = logging.getLogger(__name__)


def get(params: Params, mode: Mode) -> Engine:
    """The engine of this set in this mode, loaded on first use.

    Where memory holds one engine only (`memory_plan.engines_together`), the other mode's engine is released first; so
    are all others where memory has become short since that was decided.

    Raises:
        MeasurementError: vLLM refuses the model or the settings, the engine does not fit in memory, or it failed
            earlier in this process; one line that says why.
    """
    key = _key(params, mode, {})
    _refuse_failed(key)
    if key not in _loaded:
        alone = not memory_plan.engines_together(params)
        for old in [k for k, e in _loaded.items() if alone or e.mode == mode]:
            release(old)
        if _loaded and not memory_plan.fits_now(params):
            release(why="it was released, because memory became short beside other work")
        _loaded[key] = _start(params, mode, {}, key)
    return _loaded[key]


def reload(params: Params, mode: Mode) -> Engine:
    """The mode's engine, started once more in this process: from the compile cache on disk, not from memory."""
    release(_key(params, mode, {}))
    import torch
    from torch._inductor.codecache import PyCodeCache

    torch.compiler.reset()
    PyCodeCache.cache_clear()
    return get(params, mode)


@contextlib.contextmanager
def fresh(params: Params, mode: Mode, **changed: Any) -> Iterator[Engine]:
    """A separate engine for the length of a `with` block, beside the kept ones; then it is freed.

    Where memory holds one engine only, the kept ones are released first and loaded again when they are next asked
    for.

    Args:
        changed: keywords of vLLM's `LLM(...)` that differ from the set's.

    Raises:
        MeasurementError: as `get`.
    """
    key = _key(params, mode, changed)
    _refuse_failed(key)
    if not memory_plan.one_more(params, len(_loaded)):
        release()
    gc.freeze()  # loading makes several full collections
    loaded = _start(params, mode, changed, key)
    try:
        yield loaded
    finally:
        _end(loaded, "it was a fresh engine and has been released")
        gc.freeze()  # what is left for the collector holds neither weights nor cache
        freeing.empty_caches()


def release(key: str | None = None, why: str = "it was released") -> None:
    """Free one engine, or all, and the memory they held; `why` is the reason given to later callers."""
    for name in [key] if key else list(_loaded):
        if name in _loaded:
            _end(_loaded.pop(name), why)
    freeing.collect()


def make_room(needed_bytes: int) -> bool:
    """Release all engines where less than `needed_bytes` is free; says whether it did."""
    if not _loaded or memory_plan.available_bytes() >= needed_bytes:
        return False
    release()
    return True


def _key(params: Params, mode: Mode, changed: Options) -> str:
    read = [params.model.model_dump(mode="json"), params.engine.model_dump(mode="json"), mode]
    return digest([*read, repr(sorted(changed.items()))])


def _refuse_failed(key: str) -> None:
    if key in _failed:
        raise MeasurementError(f"{_failed[key]} (earlier in this process; it is not tried again)")


def _start(params: Params, mode: Mode, changed: Options, key: str) -> Engine:
    memory_plan.require_one(params)
    device = _device_memory.setdefault(
        params.platform.backend, freeing.DeviceMemory(freeing.free_device_bytes(params.platform.backend))
    )
    if _loaded:
        freeing.empty_caches()
    else:
        device.note_before_load()
        freeing.collect_if_imported()
        device.wait_until_back()
    try:
        loaded = start.load(params, mode, changed)
    except Exception as error:
        told = f"{type(error).__name__}: {start.one_line(error)}"
        _failed[key] = f"vLLM did not load {params.model.shown} in {mode} mode: {told}"
        _forget_frames(error)
        raise MeasurementError(_failed[key]) from error
    loaded.on_failure = lambda error: _drop(loaded, key, params.model.shown, error)
    return loaded


def _drop(engine: Engine, key: str, name: str, error: BaseException) -> str:
    """Free an engine that failed: requests would stay queued in it. Returns the reason, kept for later callers.

    An interrupt by the user drops the engine, too, which is then loaded again when it is next asked for.
    """
    reason = f"the {engine.mode} engine of {name} failed: {type(error).__name__}: {start.one_line(error)}"
    _log.error("%s", reason, exc_info=error)
    if isinstance(error, Exception):
        _failed[key] = reason
    if _loaded.get(key) is engine:
        del _loaded[key]
    _end(engine, reason)
    _forget_frames(error)
    freeing.collect()
    return reason


def _end(engine: Engine, reason: str) -> None:
    """End the engine's core; callers that still hold the object get the reason."""
    llm, engine.llm = engine.llm, None
    if llm is None:
        return
    engine.ended = engine.ended or reason
    freeing.shut_down(llm, others_live=bool(_loaded))


def _forget_frames(error: BaseException) -> None:
    """Drop what the frames of an exception refer to: a partly built engine, its weights and cache."""
    traceback.clear_frames(error.__traceback__)
