"""Ending an engine and giving its memory back: objects, allocators' caches, and the device where it is another one."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from evalpress import platforms
from evalpress.core.errors import MeasurementError
from evalpress.core.units import GIB
from evalpress.engine import vllm_compat

_log = logging.getLogger(__name__)
_POLL_S = 0.5
BOUND_S = 60.0
"""Longest wait for a device's memory after an engine has ended."""
SLACK_BYTES = GIB // 2
"""A device counts as free again when it has this much less than before: other programs use it, too."""


def shut_down(llm: Any, *, others_live: bool) -> None:
    """End the engine's core. An error on the way is logged; the engine counts as ended in both cases.

    Args:
        others_live: other engines of this process stay: what they share with this one is kept.
    """
    core = getattr(llm.llm_engine, "engine_core", None)
    if core is None or not hasattr(core, "shutdown"):
        return
    with contextlib.ExitStack() as kept:
        if others_live:
            kept.enter_context(vllm_compat.other_engines_kept())
        try:
            core.shutdown()
        except Exception:
            _log.warning("an engine did not shut down in order", exc_info=True)


def collect() -> None:
    """Free every object without references, and what allocators keep for later."""
    gc.unfreeze()  # vLLM freezes all live objects after loading and when its client runs: those are not collected
    gc.collect()
    gc.freeze()  # a full collection takes half a second, and vLLM's loading makes several
    empty_caches()


def collect_if_imported() -> None:
    """Free what earlier work of this process left; torch is not imported for it."""
    if "torch" in sys.modules:
        gc.collect()
        empty_caches()


def empty_caches() -> None:
    """Give cached memory back: of a device that this process has initialised, and of the host's allocator."""
    import torch

    for device in ("cuda", "npu"):
        accelerator = getattr(torch, device, None)
        if accelerator is not None and getattr(accelerator, "is_initialized", bool)():
            accelerator.empty_cache()
    return_to_system()


def return_to_system() -> None:
    """Return free pages of this process's allocator, glibc's or a preloaded tcmalloc, to the system."""
    library = ctypes.CDLL(None)
    for name, arguments in (("MallocExtension_ReleaseFreeMemory", ()), ("malloc_trim", (0,))):
        function = getattr(library, name, None)
        if function is not None:
            function(*arguments)


class DeviceMemory:
    """Free memory of an accelerator, watched from outside this process by its driver's tool."""

    def __init__(
        self,
        free: Callable[[], int | None],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._free, self._now, self._sleep = free, now, sleep
        self._before: int | None = None

    def note_before_load(self) -> None:
        """Remember what is free before the first engine loads."""
        if self._before is None:
            self._before = self._free()

    def wait_until_back(self) -> None:
        """Wait until as much is free as before the first engine.

        Raises:
            MeasurementError: it is not after BOUND_S.
        """
        if self._before is None:
            return
        end = self._now() + BOUND_S
        while (free := self._free()) is not None and free < self._before - SLACK_BYTES:
            if self._now() > end:
                raise MeasurementError(
                    f"the device has {free / GIB:.1f} GiB free {BOUND_S:.0f} s after the last engine ended, "
                    f"{self._before / GIB:.1f} GiB before the first one: another process holds its memory"
                )
            self._sleep(_POLL_S)


def free_device_bytes(backend: str) -> Callable[[], int | None]:
    """A function that returns the least free bytes of the backend's devices; None on a CPU and without a tool."""

    def free() -> int | None:
        found = platforms.detect()
        sizes = [device.memory_free for device in found.devices] if found.backend == backend else []
        return min((size for size in sizes if size is not None), default=None)

    return free if backend != "cpu" else lambda: None
