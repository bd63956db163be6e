"""The machine itself: processor, memory, system, compiler, preloaded libraries, environment variables."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from evalpress.core.units import GIB
from evalpress.platforms import control_group
from evalpress.platforms.facts import HostFacts, Preloaded
from evalpress.platforms.shell import output

CPU_FEATURES = (
    *("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"),
    *("asimd", "sve", "i8mm", "bf16"),
)
"""Instruction sets that decide how fast a CPU runs bf16 and int8 matrix products."""

RUNTIMES = ("libtcmalloc", "libjemalloc", "libmimalloc", "libiomp5", "libgomp", "libomp")
"""Allocators and OpenMP runtimes: the libraries whose presence changes a CPU's figures."""

_EVERYWHERE = (
    "VLLM_ENABLE_V1_MULTIPROCESSING",
    "VLLM_WORKER_MULTIPROC_METHOD",
    "VLLM_BATCH_INVARIANT",
    "VLLM_DISABLE_COMPILE_CACHE",
    "VLLM_USE_MODELSCOPE",
    "VLLM_LOGGING_LEVEL",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
    "PYTHONHASHSEED",
)
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "cpu": (
        *_EVERYWHERE,
        "VLLM_CPU_KVCACHE_SPACE",
        "VLLM_CPU_OMP_THREADS_BIND",
        "VLLM_CPU_NUM_OF_RESERVED_CPU",
        "VLLM_CPU_ATTN_SPLIT_KV",
        "KMP_AFFINITY",
        "KMP_BLOCKTIME",
        "TORCHINDUCTOR_COMPILE_THREADS",
        "TORCHINDUCTOR_CPP_DYNAMIC_THREADS",
    ),
    "cuda": (
        *_EVERYWHERE,
        "CUDA_VISIBLE_DEVICES",
        "CUBLAS_WORKSPACE_CONFIG",
        "PYTORCH_CUDA_ALLOC_CONF",
        "VLLM_ATTENTION_BACKEND",
        "NCCL_ALGO",
        "NCCL_P2P_DISABLE",
        "TORCHINDUCTOR_COMPILE_THREADS",
    ),
    "ascend": (
        *_EVERYWHERE,
        "ASCEND_RT_VISIBLE_DEVICES",
        "ASCEND_HOME_PATH",
        "ASCEND_LAUNCH_BLOCKING",
        "HCCL_DETERMINISTIC",
        "HCCL_OP_EXPANSION_MODE",
        "HCCL_BUFFSIZE",
        "HCCL_INTRA_ROCE_ENABLE",
        "HCCL_INTRA_PCIE_ENABLE",
        "LCCL_DETERMINISTIC",
        "ATB_MATMUL_SHUFFLE_K_ENABLE",
        "ATB_LLM_LCOC_ENABLE",
        "PYTORCH_NPU_ALLOC_CONF",
        "TASK_QUEUE_ENABLE",
        "CPU_AFFINITY_CONF",
        "VLLM_VERSION",
        "VLLM_ASCEND_ENABLE_NZ",
        "VLLM_ASCEND_ENABLE_FLASHCOMM1",
        "VLLM_ASCEND_ENABLE_MATMUL_ALLREDUCE",
        "VLLM_ASCEND_MODE",
    ),
}
"""Variables that a report may show, by backend. Names and no pattern: VLLM_* would print VLLM_API_KEY too."""


def environment(backend: str, also: Iterable[str] = (), env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of ENVIRONMENT[backend] and `also` (those that a set gives) that are set, with their values."""
    values = os.environ if env is None else env
    return {name: values[name] for name in dict.fromkeys((*ENVIRONMENT[backend], *also)) if name in values}


def cpu_model() -> str:
    """The processor's name: the kernel's, else the firmware's, else its maker (HiSilicon hosts have no model name)."""
    found = output(("lscpu",)) or ""
    for key in ("Model name", "BIOS Model name"):
        if (match := re.search(rf"^\s*{key}:\s*(.+)$", found, re.MULTILINE)) and match[1].strip() not in ("", "-"):
            return match[1].strip()
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text() if info.is_file() else "", re.MULTILINE)
    if names and not re.search(r"^Vendor ID:", found, re.MULTILINE):
        return str(names[0]).strip()
    maker = re.search(r"^Vendor ID:\s*(.+)$", found, re.MULTILINE)
    kernel = platform.processor() or platform.machine()
    if maker and maker[1].strip() not in ("", "-"):
        return f"{maker[1].strip()} ({platform.machine()})"
    return str(names[0]).strip() if names else kernel


def cpu_features() -> list[str]:
    """Those of CPU_FEATURES that the kernel lists."""
    info = Path("/proc/cpuinfo")
    words = set(re.findall(r"\w+", info.read_text())) if info.is_file() else set()
    return [name for name in CPU_FEATURES if name in words]


def memory_limit() -> int | None:
    """The memory limit of this process's control groups in bytes, None where there is none below the host's memory."""
    limit = control_group.limits().memory_bytes
    return limit if limit is not None and limit < total_memory() else None


def total_memory() -> int:
    """Bytes of memory that the host has."""
    return int(psutil.virtual_memory().total)


def available_memory() -> int:
    """Bytes that this process can still take: what the host has free, or less where a control group has less left."""
    free = int(psutil.virtual_memory().available)
    left = control_group.limits().memory_available_bytes
    return free if left is None else min(free, left)


def usable_cores() -> int:
    """The cores that this process may keep busy: its affinity mask, or fewer where a control group's quota is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = control_group.limits().cpus
    return cores if quota is None else max(1, min(cores, int(quota)))


def operating_system() -> str:
    """The distribution's own name, such as `Ubuntu 22.04.5 LTS`."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def compiler() -> str | None:
    """The first line of the C++ compiler's version (the one in CXX, else g++, else clang++)."""
    for name in (os.environ.get("CXX"), "g++", "clang++"):
        if name and (text := output((name, "--version"))):
            return text.splitlines()[0].strip()
    return None


def preloaded(maps: str | None = None, env: Mapping[str, str] | None = None) -> tuple[Preloaded, ...]:
    """What LD_PRELOAD names, and which allocators and OpenMP runtimes this process really has mapped.

    vLLM's CPU platform sets LD_PRELOAD inside the running process, which reaches its child processes only:
    `active` therefore comes from the memory map, never from the variable. The map knows files and not the links to
    them. Only base names are shown.
    """
    path = Path("/proc/self/maps")
    if maps is None:
        maps = path.read_text() if path.is_file() else ""
    mapped = {Path(line.split(None, 5)[5]).name for line in maps.splitlines() if ".so" in line}
    variable = (os.environ if env is None else env).get("LD_PRELOAD", "")
    named = {Path(item).name: Path(item).resolve().name for item in re.split(r"[:\s]+", variable) if item}
    known = {*named, *named.values()}
    loaded = sorted(name for name in mapped if name.startswith(RUNTIMES) and name not in known)
    return (
        *(Preloaded(library=n, source="LD_PRELOAD", active=bool({n, file} & mapped)) for n, file in named.items()),
        *(Preloaded(library=name, source="loaded by a library", active=True) for name in loaded),
    )


def describe() -> HostFacts:
    """The host's rows of the environment table; sizes in GiB."""
    memory, limit, cores, found_compiler = psutil.virtual_memory(), memory_limit(), os.cpu_count(), compiler()
    return HostFacts(
        cpu_model=cpu_model(),
        cpu_cores=cores,
        cpu_cores_why="the system does not tell" if cores is None else None,
        cpu_cores_usable=usable_cores(),
        cpu_features=tuple(cpu_features()),
        ram_total_gib=round(memory.total / GIB, 3),
        ram_available_gib=round(available_memory() / GIB, 3),
        ram_limit_gib=None if limit is None else round(limit / GIB, 3),
        ram_limit_gib_why="no limit of a container below the host's memory" if limit is None else None,
        os=operating_system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        python=platform.python_version(),
        python_implementation=sys.implementation.name,
        compiler=found_compiler,
        compiler_why="neither CXX nor g++ nor clang++ answers" if found_compiler is None else None,
    )
