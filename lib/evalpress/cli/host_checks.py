"""What this host has and lacks for a report: one check per line, each with its remedy."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from evalpress.core.paths import ROOT
from evalpress.core.results import Model
from evalpress.core.units import GIB
from evalpress.launch import environment
from evalpress.platforms import Backend, ascend, control_group, cuda, host, npu_smi, shell, versions

Status = Literal["ok", "warn", "fail"]
_MEMORY_GIB, _DISK_GIB = 6, 6
_PORT = 8000


class Check(Model):
    """One thing that was examined. `remedy` is what to do; empty where nothing is to be done."""

    check: str
    status: Status
    found: str
    remedy: str


def _check(name: str, found: str, ok: bool, remedy: str, *, needed: bool = True) -> Check:
    status: Status = "ok" if ok else "fail" if needed else "warn"
    return Check(check=name, status=status, found=found, remedy="" if ok else remedy)


def run(backend: Backend) -> Iterator[Check]:
    """Every check that matters to `backend`, the cheap ones first."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield _check("python", version, sys.version_info >= (3, 11), "use Python 3.11 or newer: make PYTHON=…")
    yield from _packages(backend)
    yield from _device(backend)
    yield from _versions(backend)
    if backend == "cpu":
        yield from _compiling()
        yield from _preloading()
    yield from _resources()
    yield from _programs()


def _packages(backend: Backend) -> Iterator[Check]:
    wanted = ["vllm", "torch", "transformers", "papermill"] + (
        ["vllm_ascend", "torch_npu"] if backend == "ascend" else []
    )
    for name in wanted:
        there = importlib.util.find_spec(name) is not None
        advice = (
            "make report installs it" if backend != "ascend" else "start from the official vllm-ascend image, VENV="
        )
        yield _check(f"package {name}", "installed" if there else "not installed", there, advice)


def _device(backend: Backend) -> Iterator[Check]:
    if backend == "cpu":
        yield _check("device", host.cpu_model(), True, "")
        return
    found = ascend.devices() if backend == "ascend" else cuda.devices()
    said = ascend.refusal() if backend == "ascend" and not found else None
    names = ", ".join(f"{device.index}: {device.name}" for device in found)
    remedy = npu_smi.remedy(said) if said else "the driver's tool lists no device; check the driver, or map the device"
    yield _check("device", names or said or "none", bool(found), remedy)
    if backend == "ascend":
        cann = ascend.cann_version()
        yield _check(
            "CANN", cann or "no toolkit", cann is not None, "source the toolkit's set_env.sh, or use the image"
        )


def _versions(backend: Backend) -> Iterator[Check]:
    for verdict in versions.check(versions.installed_versions(), backend):
        remedy = "" if verdict.status == "ok" else f"{verdict.why}; wanted {verdict.expected} ({verdict.source})"
        yield Check(
            check=f"version {verdict.component}",
            status=verdict.status,
            found=verdict.found or "not installed",
            remedy=remedy,
        )


def _compiling() -> Iterator[Check]:
    compiler = host.compiler()
    yield _check("C++ compiler", compiler or "none", compiler is not None, "install g++, or name a compiler in CXX")
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    yield _check("Python headers", "there" if header.is_file() else "missing", header.is_file(), "install python3-dev")


def _preloading() -> Iterator[Check]:
    needed = environment.preload_is_needed()
    for name, found in environment.preload_libraries().items():
        advice = "pip install intel-openmp" if name == "Intel OpenMP" else "install libtcmalloc-minimal4 (gperftools)"
        yield _check(f"library {name}", found.name if found else "none", found is not None, advice, needed=needed)


def _resources() -> Iterator[Check]:
    memory = host.available_memory() / GIB
    yield _check("free memory", f"{memory:.1f} GiB", memory >= _MEMORY_GIB, f"{_MEMORY_GIB} GiB or more", needed=False)
    disk = shutil.disk_usage(ROOT).free / GIB
    yield _check("free disk", f"{disk:.1f} GiB", disk >= _DISK_GIB, f"free {_DISK_GIB} GiB for environment and caches")
    writable = os.access(ROOT, os.W_OK)
    yield _check(
        "project folder", "writable" if writable else "read-only", writable, "make it writable, or give --reports-dir"
    )
    quota = control_group.limits().cpus
    cores = f"{host.usable_cores()} usable" + (f", quota {quota:g}" if quota else "")
    threads = os.environ.get("OMP_NUM_THREADS")
    few = threads is not None and threads.isdigit() and int(threads) < host.usable_cores()
    told = f"{cores}; OMP_NUM_THREADS={threads}" if threads else cores
    yield _check(
        "cores", told, not few, "the reference chooses its own threads; unset OMP_NUM_THREADS for engines", needed=False
    )
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", _PORT)) == 0
    yield _check(
        f"port {_PORT}",
        "in use" if taken else "free",
        not taken,
        "the report's own servers take free ports; the run book's command needs another --port",
        needed=False,
    )


def _programs() -> Iterator[Check]:
    from evalpress.sections.quality import sandbox

    found = sandbox.describe()
    advice = f"install bubblewrap; until then cases that run code are skipped ({found.get('kind_why')})"
    yield _check("sandbox", found["kind"] or "none", found["kind"] is not None, advice, needed=False)
    browser = next((name for name in ("chromium", "chromium-browser", "google-chrome") if shutil.which(name)), None)
    yield _check("browser", browser or "none", browser is not None, "install chromium for make pdf", needed=False)
    for name in ("git", "make"):
        there = shutil.which(name) is not None
        yield _check(name, "there" if there else "none", there, f"install {name}", needed=False)
    drawing = _has("matplotlib")
    yield _check("matplotlib", drawing or "not installed", drawing is not None, "make report installs it")
    fonts = (shell.output(("fc-list", ":lang=zh", "family")) or "").splitlines()
    advice = "install fonts-noto-cjk: Chinese text in a PDF needs it; a reader's browser brings its own"
    yield _check("fonts for Chinese", fonts[0] if fonts else "none", bool(fonts), advice, needed=False)


def _has(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
