"""The environment variables that an engine needs before vLLM is imported.

`make report` sets them for the kernel of a report. A notebook opened by hand gets `engine_env` from the
engine package when it loads an engine; what only a process's start can set (`preload_env`) is then missing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import math
import os
import platform
import re
import sys
import tempfile
from functools import cache
from pathlib import Path

from evalpress import model
from evalpress.core.hashing import digest
from evalpress.core.paths import CACHE
from evalpress.params.schema import Params
from evalpress.platforms import host

_ALLOCATORS = ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4")
_OPENMP = ("libiomp5.so",)
_SEPARATES = re.compile(r"[\s:]")
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
_log = logging.getLogger(__name__)
CPU_KV_SPACE = "VLLM_CPU_KVCACHE_SPACE"
"""Where it is set, vLLM's CPU worker takes the size of the KV cache, whole GiB, from it and from nowhere else."""
SPAWN = ("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
"""Where the engine core is a separate process: forked from one that has initialised a device, it could not use it
(torch_npu and CUDA both refuse). vLLM's CPU platform spawns by itself."""


def in_process(params: Params) -> bool:
    """Whether the engine core runs in the kernel's process: by default on CPU with a single worker."""
    engine = params.engine
    if engine.in_process is not None:
        return engine.in_process
    workers = engine.tensor_parallel_size * engine.pipeline_parallel_size * engine.data_parallel_size
    return params.platform.backend == "cpu" and workers == 1


def engine_env(params: Params) -> dict[str, str]:
    """Variables for a process that loads the set's engines; `engine.env` of the set overrides them."""
    env = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if in_process(params) else "1",
        "VLLM_CACHE_ROOT": str(CACHE / "vllm"),
        "TORCHINDUCTOR_CACHE_DIR": str(CACHE / "inductor"),
        "VLLM_LOGGING_STREAM": "ext://sys.__stderr__",  # the process's own stream: a notebook's output is no log
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if not in_process(params):
        env[SPAWN[0]] = SPAWN[1]
    if params.platform.backend == "cpu" and params.engine.kv_cache_gib is not None and not _takes_bytes():
        env[CPU_KV_SPACE] = str(math.ceil(params.engine.kv_cache_gib))
    env |= _bound_to_quota(params)
    if params.model.source == "folder" or params.model.recipe is not None or model.local(params) is not None:
        env["HF_HUB_OFFLINE"] = "1"
    if model.is_from_modelscope(params):
        env["VLLM_USE_MODELSCOPE"] = "true"
    return env | params.engine.env


THREADS = "VLLM_CPU_OMP_THREADS_BIND"
"""Which processors the threads of vLLM's CPU workers are bound to; by default one per physical core."""


def _bound_to_quota(params: Params) -> dict[str, str]:
    """On a CPU, as many threads as the control group's quota allows: vLLM counts the affinity mask alone, and more
    threads than that wait for each other."""
    engine = params.engine
    workers = engine.tensor_parallel_size * engine.pipeline_parallel_size * engine.data_parallel_size
    if params.platform.backend != "cpu" or workers > 1 or THREADS in os.environ:
        return {}
    allowed, usable = _processors()
    return {THREADS: ",".join(map(str, allowed[:usable]))} if usable < len(allowed) else {}


@cache
def _processors() -> tuple[tuple[int, ...], int]:
    """The processors of the affinity mask, and how many of them the quota keeps busy. Read once: an engine in this
    process narrows the mask."""
    allowed = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    return allowed, host.usable_cores()


def _takes_bytes() -> bool:
    """Whether vLLM's CPU worker takes `kv_cache_memory_bytes`: 0.18 takes whole GiB in a variable only, and in 0.32
    the variable takes precedence."""
    source = _cpu_worker()
    return source is None or "kv_cache_memory_bytes" in source


def preload_is_needed() -> bool:
    """Whether vLLM's CPU worker does not start without those of `preload_libraries`: so 0.18; 0.32 warns."""
    return "raise RuntimeError" in (_cpu_worker() or "").partition("is not found in LD_PRELOAD")[0][-120:]


@cache
def _cpu_worker() -> str | None:
    """The source of vLLM's CPU worker, since importing it takes seconds; None without vLLM, empty without the file."""
    found = importlib.util.find_spec("vllm")
    if found is None or found.origin is None:
        return None
    worker = Path(found.origin).parent / "v1" / "worker" / "cpu_worker.py"
    return worker.read_text(encoding="utf-8") if worker.is_file() else ""


def server_env(params: Params) -> dict[str, str]:
    """Variables for the OpenAI server's processes.

    vLLM gives a server's engine core a separate process regardless of the variable; on CPU "0" keeps it from
    starting one more process for a single worker, which takes as long again to start and computes the same.
    """
    spawn = {} if params.platform.backend == "cpu" else dict([SPAWN])
    return spawn | engine_env(params) | preload_env(params) | params.engine.env


def preload_env(params: Params) -> dict[str, str]:
    """`LD_PRELOAD` with tcmalloc and Intel's OpenMP, for CPU sets with `platform.preload`, where they are installed.

    Both make vLLM's CPU backend faster (its installation guide recommends them). What the caller already
    preloads stays, first; nothing found, nothing set. The caller's own
    allocator (jemalloc, in the vllm-ascend images) or OpenMP runtime takes the place of ours.
    """
    if params.platform.backend != "cpu" or not params.platform.preload or not sys.platform.startswith("linux"):
        return {}
    before = [item for item in os.environ.get("LD_PRELOAD", "").replace(":", " ").split() if item]
    names = {Path(item).name for item in before}
    # One of each kind: vLLM's engine fails with two OpenMP runtimes, and of two allocators the second is never used.
    kinds = {"malloc": _ALLOCATORS, "omp": _OPENMP}
    wanted = [_first(known) for kind, known in kinds.items() if not any(kind in name for name in names)]
    found = [path for path in wanted if path and path.name not in names]
    named = [name for path in found if (name := _without_blank(path)) is not None]
    return {"LD_PRELOAD": ":".join([*before, *named])} if named else {}


def preload_libraries() -> dict[str, Path | None]:
    """The libraries that `preload_env` looks for, None for those that this host lacks."""
    return {"tcmalloc": _first(_ALLOCATORS), "Intel OpenMP": _first(_OPENMP)}


def _without_blank(library: Path) -> str | None:
    """A name of the library that the loader can read: blanks and colons separate the entries of LD_PRELOAD.

    A library in such a folder gets a link in a folder of this user's own. None where no folder for links has a name
    without them: the library is left out.
    """
    if not _SEPARATES.search(str(library)):
        return str(library)
    for base in dict.fromkeys((tempfile.gettempdir(), *_TEMPORARY)):
        folder = Path(base) / f"evalpress-preload-{os.getuid()}"
        link = folder / f"{digest(str(library))[:12]}-{library.name}"
        if _SEPARATES.search(str(folder)):
            continue
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_uid == os.getuid() and not link.is_symlink():
                link.symlink_to(library)
            if folder.stat().st_uid == os.getuid():
                return str(link)
    _log.warning("%s is not preloaded: its path has a blank or a colon, and no temporary folder is without", library)
    return None


def _first(names: tuple[str, ...]) -> Path | None:
    """The first of these libraries in the folders where wheels, conda and distributions put them."""
    folders = [
        Path(sys.prefix, "lib"),
        Path("/usr/lib", f"{platform.machine()}-linux-gnu"),
        *map(Path, ("/usr/local/lib", "/usr/lib64", "/usr/lib")),
    ]
    return next((folder / name for name in names for folder in folders if (folder / name).is_file()), None)
