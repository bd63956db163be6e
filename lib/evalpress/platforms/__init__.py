"""What the host is: CPU, CUDA or Ascend. Imports neither torch nor vLLM.

`detect()` says what this host has, `require()` refuses a set made for another platform in one line, `probe()`
gives the rows of the environment table. No device is assumed: only devices that a tool reports are listed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

from evalpress.core import secrets
from evalpress.core.errors import UserError
from evalpress.core.plain import Fields
from evalpress.platforms import ascend, cuda, host, npu_smi
from evalpress.platforms.device import Device
from evalpress.platforms.facts import DeviceRow, DeviceTable, HostFacts, Probe

Backend = Literal["cpu", "cuda", "ascend"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

NAMES = {"cpu": "CPU", "cuda": "CUDA GPU", "ascend": "Ascend NPU"}


@dataclass(frozen=True)
class Platform:
    """A backend that this host has, with its accelerators (none for cpu)."""

    backend: Backend
    devices: tuple[Device, ...] = ()

    @property
    def name(self) -> str:
        """The device's name, the processor's where the backend is cpu."""
        return self.devices[0].name if self.devices else host.cpu_model()


def _accelerators(backend: Backend) -> tuple[Device, ...]:
    if backend == "ascend":
        return ascend.devices()
    return cuda.devices() if backend == "cuda" else ()


def detect() -> Platform:
    """The platform of this host: its accelerator where there is one, else cpu."""
    for backend in ("ascend", "cuda"):
        if found := _accelerators(backend):
            return Platform(backend, found)
    return Platform("cpu")


def present(backend: str) -> Platform:
    """The platform of a set with the devices that are here, perhaps none; nothing is refused."""
    known: Backend = next((name for name in BACKENDS if name == backend), "cpu")
    return Platform(known, _accelerators(known))


def _absence(backend: Backend) -> str:
    """Why `backend` is not here: what was looked for and not found."""
    tool, module = {"ascend": ("npu-smi", "torch_npu"), "cuda": ("nvidia-smi", "torch")}[backend]
    reasons = []
    if find_spec(module) is None:
        reasons.append(f"{module} not installed")
    if backend == "ascend" and (said := ascend.refusal()):
        reasons.append(f"npu-smi says: {said}; {npu_smi.remedy(said)}")
    else:
        reasons.append(f"{tool} sees none" if shutil.which(tool) else f"{tool} not found")
    return ", ".join(reasons)


def require(backend: str, where: str, devices: int = 1) -> Platform:
    """The platform that a set needs.

    `where` names file and key for the message ("params/x.yaml: platform.backend"). Every host has a CPU; the
    others raise UserError in one line when they, or enough of their `devices`, are not here.
    """
    if backend not in BACKENDS:
        raise UserError(f"{where}: found {backend!r}, allowed {', '.join(BACKENDS)}")
    if backend == "cpu":
        return Platform("cpu")
    found, name = _accelerators(backend), NAMES[backend]
    if not found:
        raise UserError(
            f"{where}: this set is for {backend}, this host has no {name} ({_absence(backend)}); "
            f"use a set whose platform.backend is {detect().backend}"
        )
    if len(found) < devices:
        raise UserError(f"{where}: the set needs {devices} × {name}, this host has {len(found)}")
    return Platform(backend, found)


def dtypes(platform: Platform) -> tuple[str, ...]:
    """The engine dtypes of the device, best first, as vLLM's platforms list them.

    CUDA: bfloat16 from compute capability 8.0, float16 from 6.0 (vllm/platforms/cuda.py). CPU: all three.
    Ascend: all three, but float16 only on the 310P (vLLM-Ascend's guide to the Atlas 300I).
    """
    every = ("bfloat16", "float16", "float32")
    if platform.backend == "cuda":
        capability = platform.devices[0].capability if platform.devices else None
        if capability is not None and capability < 8.0:
            return every[1:] if capability >= 6.0 else every[2:]
    if platform.backend == "ascend" and "310P" in platform.name:
        return ("float16",)
    return every


def require_dtype(dtype: str, platform: Platform, where: str) -> None:
    """Raise UserError where the device lacks `dtype` ("params/x.yaml: engine.dtype")."""
    allowed = dtypes(platform)
    if dtype != "auto" and dtype not in allowed:
        raise UserError(f"{where}: found {dtype}, which {platform.name} lacks; allowed {', '.join(allowed)}")


def _driver_rows(platform: Platform) -> Fields:
    """Driver and CANN, each with the reason where it has none."""
    on_npu = platform.backend == "ascend"
    driver = platform.devices[0].driver if platform.devices else None
    cann = ascend.cann_version() if on_npu else None
    return {
        "driver_version": driver,
        "driver_version_why": _unless(
            driver, "the driver's tool did not tell" if platform.devices else "a CPU has no driver"
        ),
        "cann_version": cann,
        "cann_version_why": _unless(cann, "no toolkit found" if on_npu else "CANN belongs to Ascend NPUs"),
    }


def _unless(value: object, why: str) -> str | None:
    """A reason that is needed only where there is no value."""
    return why if value is None else None


def _device_table(platform: Platform, machine: HostFacts) -> DeviceTable:
    """The device table; on a CPU the device is the processor and its memory the host's."""
    rows = tuple(device.row() for device in platform.devices)
    if rows:
        memory = {key: getattr(rows[0], key) for key in DeviceRow.model_fields if key.startswith("memory")}
    else:
        memory = {
            "memory_total_gib": machine.ram_limit_gib or machine.ram_total_gib,
            "memory_free_gib": machine.ram_available_gib,
        }
    return DeviceTable(
        name=platform.name,
        count=len(rows) or 1,
        **memory,
        **_driver_rows(platform),
        dtypes=dtypes(platform),
        devices=rows,
    )


def probe(backend: str, variables: Iterable[str] = ()) -> Probe:
    """What a report says of the place where it was made, for a set's `backend` and the variables that it gives.

    Raises:
        UserError: this host has no such device.
    """
    platform = require(backend, "platform.backend")
    machine = host.describe()
    return Probe(
        backend=platform.backend,
        device=_device_table(platform, machine),
        host=machine,
        environment=secrets.redacted(host.environment(platform.backend, variables)),
        preloaded=host.preloaded(),
    )
