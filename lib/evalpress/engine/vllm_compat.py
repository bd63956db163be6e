"""Everything that this package changes in vLLM, and in the harness around it, while they run: one place, all named.

Each patch says why it is needed and in which versions of vLLM its place was read. In other versions, or where the
place is gone, it is left out: what depends on it is then null with a reason, or start-up takes longer.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import logging
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patch:
    """One place that is changed: an attribute of a module, in versions `since` <= vLLM < `below`."""

    name: str
    module: str
    attribute: str
    since: str
    below: str
    why: str

    def applies(self, version: str | None = None) -> bool:
        """Whether this is a version in which the place was read; by default the installed one."""
        try:
            return Version(self.since) <= Version(version or installed_version()) < Version(self.below)
        except InvalidVersion:
            return False

    def find(self) -> Any | None:
        """What is at the place now; None where this version was not read or has no such place."""
        if not self.applies():
            return None
        try:
            return getattr(importlib.import_module(self.module), self.attribute, None)
        except ImportError:
            return None

    @contextlib.contextmanager
    def replaced(self, value: Any) -> Iterator[bool]:
        """The place with another value for the length of a `with` block; says whether it could be replaced."""
        before = self.find()
        if before is None:
            _log.info("%s: left out, this vLLM was not read or has no %s.%s", self.name, self.module, self.attribute)
            yield False
            return
        module = importlib.import_module(self.module)
        setattr(module, self.attribute, value)
        try:
            yield True
        finally:
            setattr(module, self.attribute, before)


_READ = {"since": "0.18.0rc0", "below": "0.33"}
WEIGHT_BYTES = Patch(
    "record_weight_bytes",
    "vllm.model_executor.model_loader.base_loader",
    "process_weights_after_loading",
    why="CPU kernels repack weights and keep copies that no module shows: bytes are counted before that",
    **_READ,
)
SHARED_GROUPS = Patch(
    "keep_shared_groups",
    "vllm.v1.engine.core",
    "cleanup_dist_env_and_memory",
    why="an engine core in this process ends the process groups that the other engines of the process still use",
    **(_READ | {"since": "0.19"}),
)
FROZEN_OBJECTS = Patch(
    "keep_objects_frozen",
    "vllm.v1.engine.core",
    "gc",
    why="ending one engine unfreezes the objects of all, and each later collection then takes half a second",
    **_READ,
)
PRINTED_ONCE = tuple(
    Patch(
        "forget_printed_lines",
        "vllm.logger",
        attribute,
        why="vLLM prints some lines once per process; the second engine's figures must be printed too",
        **_READ,
    )
    for attribute in ("_print_info_once", "_print_warning_once", "_print_debug_once")
)
ROTARY_EMBEDDINGS = Patch(
    "own_rotary_embeddings",
    "vllm.model_executor.layers.rotary_embedding",
    "_ROPE_DICT",
    why="a second engine would take the first one's rotary embedding: a compiled engine beside an eager one then runs "
    "its custom kernel, another graph than the same engine alone or in a server, which no compile cache holds",
    **_READ,
)
HARNESS_ENGINE = Patch(
    "harness_engine",
    "lm_eval.models.vllm_causallms",
    "LLM",
    why="the harness would load the model once more; it gets the engine that is loaded",
    **_READ,
)
HARNESS_HOST = Patch(
    "harness_host_facts",
    "lm_eval.evaluator",
    "add_env_info",
    why="the harness runs commands that collect facts of the host and take seconds; provenance has those facts",
    **_READ,
)
PATCHES: tuple[Patch, ...] = (
    WEIGHT_BYTES,
    SHARED_GROUPS,
    FROZEN_OBJECTS,
    *PRINTED_ONCE,
    ROTARY_EMBEDDINGS,
    HARNESS_ENGINE,
    HARNESS_HOST,
)


def installed_version() -> str:
    """vLLM's version without its build, such as `0.32.0`; `0` where it says none."""
    import vllm

    return str(getattr(vllm, "__version__", "0")).partition("+")[0]


@contextlib.contextmanager
def record_weight_bytes(recorded: list[int]) -> Iterator[None]:
    """Append the bytes of every model that is loaded in this process in the `with` block, before kernels repack them.

    An engine core elsewhere says its figure in its log only.
    """
    repack = WEIGHT_BYTES.find()

    def record(loaded: Any, *args: Any, **kwargs: Any) -> Any:
        recorded.append(_weight_bytes(loaded))
        return repack(loaded, *args, **kwargs) if repack is not None else None

    with WEIGHT_BYTES.replaced(record):
        yield


def _weight_bytes(loaded: Any) -> int:
    """Bytes of a model's parameters, shared storage counted once; buffers (rotary tables) are no weights."""
    storages = [parameter.untyped_storage() for parameter in loaded.parameters()]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


@contextlib.contextmanager
def other_engines_kept() -> Iterator[None]:
    """End an engine core in this process and leave to the other engines of the process what they share."""
    frozen = types.SimpleNamespace(**{name: getattr(gc, name) for name in dir(gc) if not name.startswith("_")})
    frozen.unfreeze = lambda: None
    with FROZEN_OBJECTS.replaced(frozen), SHARED_GROUPS.replaced(lambda *_, **__: None):
        yield


def forget_printed_lines() -> None:
    """Let vLLM print again what it prints once per process."""
    for patch in PRINTED_ONCE:
        cached = patch.find()
        if cached is not None and hasattr(cached, "cache_clear"):
            cached.cache_clear()


def forget_rotary_embeddings() -> None:
    """Let the next engine make its rotary embeddings itself; engines that are loaded keep theirs."""
    shared = ROTARY_EMBEDDINGS.find()
    if isinstance(shared, dict):
        shared.clear()


def let_llvmlite_be_searched() -> None:
    """Let vLLM (0.32, CPU) look through a process in which numba was imported.

    It calls `vars()` on every object in every module; llvmlite's proxy of its C library returns a function for any
    attribute, `__dict__` too, and the engine fails. The proxy therefore gets an empty `__dict__`.
    """
    ffi = sys.modules.get("llvmlite.binding.ffi")
    functions = getattr(getattr(ffi, "lib", None), "_fntab", None)
    if functions is not None:
        functions.setdefault("__dict__", {})


def report_steps(llm: Any, latencies: Callable[[list[float]], None], scheduler: Callable[[Any], None]) -> bool:
    """Hand over what vLLM computes in each engine step and only aggregates.

    Args:
        latencies: gets the inter-token latencies of the step, in seconds.
        scheduler: gets vLLM's `SchedulerStats` of the step.

    Changes this one engine's logger manager; False where it has none.
    """
    manager = getattr(llm.llm_engine, "logger_manager", None)
    if manager is None:
        return False
    record = manager.record

    def recording(*args: Any, **kwargs: Any) -> None:
        stats = kwargs.get("iteration_stats")
        if stats is not None:
            latencies(list(stats.inter_token_latencies_iter))
        if kwargs.get("scheduler_stats") is not None:
            scheduler(kwargs["scheduler_stats"])
        record(*args, **kwargs)

    manager.record = recording
    return True


_ANY = importlib.metadata.DistributionFinder.Context()


class _Vllm(importlib.metadata.Distribution):
    """A distribution called `vllm`, which builds for CPU lack; it provides only its version."""

    def read_text(self, filename: str) -> str | None:
        return f"Name: vllm\nVersion: {installed_version()}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return path


class _VllmFinder(importlib.metadata.DistributionFinder):
    """Finds `_Vllm`, and no module."""

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context = _ANY
    ) -> Iterator[importlib.metadata.Distribution]:
        if context.name == "vllm":
            yield _Vllm()


@contextlib.contextmanager
def a_distribution_called_vllm() -> Iterator[None]:
    """lm_eval needs the version of the distribution `vllm`; an installed one is found before this one."""
    finder = _VllmFinder()
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
